#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/plain_text.h"
#include "cli/command.h"
#include "engines/cuda/card.h"
#include "graph/graph.h"
#include "kernels/cpu/peak/peak.h"
#include "model/bundle.h"
#include "onnx/check_tensorrt.h"
#include "quant/marks.h"

namespace tamis::cli {

namespace {

/// Errors by quantizer, as a bundle's record has them; nothing for a checkpoint.
std::map<std::string, double> recorded_errors(const api::LoadedModel& model) {
  std::map<std::string, double> errors;
  const std::filesystem::path path = model.folder() / "quantization.json";
  if (!model.is_bundle() || !file_exists(path)) return errors;
  const std::string source = path.string();
  const JsonDocument document = JsonDocument::parse(read_file(path), source);
  const JsonView quantizers = document.root().get("quantizers");
  for (size_t i = 0; i < quantizers.size(); ++i) {
    const JsonView error = quantizers.at(i).get("error");
    if (!error.exists()) continue;
    const std::string name(quantizers.at(i).get("name").as_string(source + ": name"));
    errors[name] = error.as_double(source + ": error");
  }
  return errors;
}

void write_quantizers(const api::LoadedModel& model, JsonWriter& json) {
  const std::map<std::string, double> errors = recorded_errors(model);
  json.key("quantizers").begin_array();
  for (const quant::QuantizerInfo& quantizer : quant::list_quantizers(model.graph())) {
    json.begin_object().member("name", quantizer.name).member("enabled", quantizer.enabled);
    json.member("scheme", graph::scheme_name(quantizer.scheme)).key("amax");
    if (quantizer.low && quantizer.high) {
      json.value(std::max(std::abs(*quantizer.low), std::abs(*quantizer.high)));
    } else {
      json.null();
    }
    if (quantizer.low) json.member("low", *quantizer.low);
    if (quantizer.high) json.member("high", *quantizer.high);
    const auto error = errors.find(quantizer.name);
    if (error != errors.end()) json.member("error", error->second);
    json.end_object();
  }
  json.end_array();
}

std::string_view side_name(tasks::TextSide side) {
  switch (side) {
    case tasks::TextSide::kDocument:
      return "document";
    case tasks::TextSide::kQuery:
      return "query";
    case tasks::TextSide::kNone:
      return "none";
  }
  TAMIS_CHECK(false);
}

void print_json(const api::LoadedModel& model) {
  const api::Manifest& manifest = model.manifest();
  JsonWriter json;
  json.begin_object().member("family", manifest.family);
  json.member("task", tasks::task_name(model.task()))
      .member("precision", engine::precision_name(manifest.precision));
  if (model.is_bundle()) {
    json.member("embeddings", quant::embedding_storage_name(manifest.embeddings));
  }
  json.member("parameters", manifest.parameters);
  json.member("bytes", api::count_constant_bytes(model.graph()));
  json.member("packed_bytes", model.runner().info().packed_bytes);
  json.member("max_length", manifest.max_length).member("hidden_size", manifest.hidden_size);
  json.member("output_size", manifest.output_size).key("labels").begin_array();
  for (const std::string& label : manifest.labels) json.value(label);
  json.end_array();
  if (model.routes_queries()) {
    const tasks::TaskModel& task = model.task_model();
    json.key("router").begin_object().member("query", "static_embedding");
    json.member("document", manifest.family);
    json.member("default_route", side_name(task.unnamed_side)).end_object();
  }
  if (const auto& given = manifest.span_labels) {
    json.key("given_labels").begin_object().member("most", given->most_labels);
    json.member("max_width", given->max_width).member("max_words", given->max_words).end_object();
  }
  write_quantizers(model, json);
  std::puts(json.end_object().str().c_str());
}

void print_text(const api::LoadedModel& model) {
  const api::Manifest& manifest = model.manifest();
  const engine::EngineInfo& engine = model.runner().info();
  const double mib = 1.0 / (1 << 20);
  std::printf("family        %s\n", plain_text(manifest.family).c_str());
  if (model.routes_queries()) {
    std::printf("router        documents by %s, queries by a static_embedding, by default %s\n",
                plain_text(manifest.family).c_str(),
                std::string(side_name(model.task_model().unnamed_side)).c_str());
  }
  std::printf("task          %s\n", std::string(tasks::task_name(model.task())).c_str());
  std::printf("precision     %s\n",
              std::string(engine::precision_name(manifest.precision)).c_str());
  if (model.is_bundle()) {
    std::printf("embeddings    %s\n",
                std::string(quant::embedding_storage_name(manifest.embeddings)).c_str());
  }
  std::printf("parameters    %lld\n", static_cast<long long>(manifest.parameters));
  std::printf("weights       %.1f MiB, %.1f MiB of them packed for this CPU\n",
              static_cast<double>(api::count_constant_bytes(model.graph())) * mib,
              static_cast<double>(engine.packed_bytes) * mib);
  const std::string longest = manifest.max_length == 0 ? "any number of" : cat(manifest.max_length);
  std::printf("longest input %s tokens\n", longest.c_str());
  std::printf("hidden size   %lld, output size %lld\n",
              static_cast<long long>(manifest.hidden_size),
              static_cast<long long>(manifest.output_size));
  for (size_t i = 0; i < manifest.labels.size(); ++i) {
    std::printf("label %-7zu %s\n", i, plain_text(manifest.labels[i]).c_str());
  }
  if (const auto& given = manifest.span_labels) {
    std::printf(
        "labels        given with the text, at most %lld; entities of %lld words, texts of %lld\n",
        static_cast<long long>(given->most_labels), static_cast<long long>(given->max_width),
        static_cast<long long>(given->max_words));
  }
  for (const passes::PassReport& report : model.pass_reports()) {
    std::printf("pass          %-24s %-9s %8.3f ms\n", std::string(report.name).c_str(),
                report.changed ? "changed" : "unchanged", report.milliseconds);
  }
  std::printf("steps         %lld, %zu quantizers\n", static_cast<long long>(engine.steps),
              quant::list_quantizers(model.graph()).size());
}

void print_quantizers(const api::LoadedModel& model) {
  const std::map<std::string, double> errors = recorded_errors(model);
  for (const quant::QuantizerInfo& quantizer : quant::list_quantizers(model.graph())) {
    const std::string range = quantizer.low && quantizer.high
                                  ? cat("[", *quantizer.low, ", ", *quantizer.high, "]")
                                  : "-";
    const auto found = errors.find(quantizer.name);
    char error[24] = "-";
    if (found != errors.end()) std::snprintf(error, sizeof(error), "%.2e", found->second);
    std::printf("%-3s %-15s %-24s %-9s %s\n", quantizer.enabled ? "on" : "off",
                std::string(graph::scheme_name(quantizer.scheme)).c_str(), range.c_str(), error,
                plain_text(quantizer.name).c_str());
  }
}

int print_cpu(const CommonFlags& common) {
  const auto pool = common.make_pool();
  const kernels::Peak peak = kernels::measure_peak(common.isas(), *pool);
  std::string found;
  std::string used;
  for (const Isa isa : all_isas()) {
    if (detected_isas().has(isa)) found += cat(found.empty() ? "" : ", ", isa_name(isa));
    if (common.isas().has(isa)) used += cat(used.empty() ? "" : ", ", isa_name(isa));
  }
  if (common.json) {
    JsonWriter json;
    json.begin_object().member("cpu", cpu_model()).member("threads", pool->threads());
    json.member("found", found).member("used", used).member("l2_cache_bytes", l2_cache_bytes());
    json.key("peak").begin_object().member("fp32_gflops", peak.fp32_gflops);
    json.member("bf16_gflops", peak.bf16_gflops).member("int8_gops", peak.int8_gops);
    std::puts(json.end_object().end_object().str().c_str());
    return 0;
  }
  std::printf("cpu           %s\nthreads       %d\nkernel sets   found %s; used %s\n",
              cpu_model().c_str(), pool->threads(), found.c_str(), used.c_str());
  std::printf("measured peak fp32 %.0f GFLOP/s, bf16 %.0f GFLOP/s, int8 %.0f GOP/s\n",
              peak.fp32_gflops, peak.bf16_gflops, peak.int8_gops);
  return 0;
}

int print_devices(const CommonFlags& common) {
  const std::vector<engines::cuda::CardReport> cards = engines::cuda::report_cards();
  JsonWriter json;
  if (common.json) json.begin_array();
  for (const engines::cuda::CardReport& card : cards) {
    const double gib = static_cast<double>(card.memory_bytes) / (1 << 30);
    if (common.json) {
      json.begin_object().member("device", card.device).member("name", card.name);
      json.member("compute_capability", card.capability);
      json.member("multiprocessors", int64_t{card.multiprocessors});
      json.member("memory_bytes", static_cast<int64_t>(card.memory_bytes));
      json.member("driver", card.driver).member("kernels", card.kernels).end_object();
      continue;
    }
    std::printf("%-8s %s, compute capability %s, %d multiprocessors, %.1f GiB\n",
                card.device.c_str(), plain_text(card.name).c_str(), card.capability.c_str(),
                card.multiprocessors, gib);
    std::printf("         driver for CUDA %s; kernels: %s\n", card.driver.c_str(),
                card.kernels.c_str());
  }
  if (common.json) std::puts(json.end_array().str().c_str());
  return 0;
}

int verify(const std::string& model, const CommonFlags& common) {
  const api::ModelPath path = find_model(model, common);
  if (path.kind != api::ModelKind::kBundle) {
    fail(ErrorCode::kInvalidArgument, "--verify needs a bundle; a checkpoint holds no hashes");
  }
  const std::vector<api::BadFile> bad = api::verify_bundle(path.folder);
  for (const api::BadFile& file : bad) {
    std::printf("%s: %s\n", plain_text(file.name).c_str(), plain_text(file.reason).c_str());
  }
  if (bad.empty()) std::puts("all files are what tamis.json says");
  return bad.empty() ? 0 : 1;
}

void write_finding(const onnx::Finding& finding, JsonWriter& json) {
  const bool error = finding.severity == onnx::Severity::kError;
  json.begin_object().member("severity", error ? "error" : "speed").member("rule", finding.rule);
  json.member("where", finding.where).member("what", finding.what).member("fix", finding.fix);
  json.end_object();
}

// An .onnx file against a runtime's rules; 1 if one is broken.
int check_file(const std::string& model, const std::string& rules, const CommonFlags& common) {
  if (rules != "trt") fail(ErrorCode::kInvalidArgument, "--check ", rules, ": must be trt");
  const api::ModelPath path = find_model(model, common);
  if (path.kind != api::ModelKind::kOnnx) {
    fail(ErrorCode::kInvalidArgument, "--check needs an .onnx file or a folder with one");
  }
  const std::vector<onnx::Finding> findings = onnx::check_tensorrt(onnx::read_onnx(path.file));
  int64_t errors = 0;
  JsonWriter json;
  if (common.json) json.begin_array();
  for (const onnx::Finding& finding : findings) {
    const bool error = finding.severity == onnx::Severity::kError;
    errors += error ? 1 : 0;
    if (common.json) {
      write_finding(finding, json);
      continue;
    }
    std::printf("%-5s %-16s %s: %s; %s\n", error ? "error" : "speed", finding.rule.c_str(),
                plain_text(finding.where).c_str(), plain_text(finding.what).c_str(),
                finding.fix.c_str());
  }
  if (common.json) {
    std::puts(json.end_array().str().c_str());
  } else if (findings.empty()) {
    std::puts("no rule of TensorRT's is broken");
  }
  return errors == 0 ? 0 : 1;
}

}  // namespace

int cmd_inspect(const std::vector<std::string>& arguments) {
  Options options("inspect", "What a model, a bundle or (with --cpu) this machine is.",
                  "tamis inspect build/models/minilm --graph");
  CommonFlags common;
  std::optional<std::string> task;
  std::optional<std::string> rules;
  std::string model;
  bool graph = false;
  bool quantizers = false;
  bool hashes = false;
  bool cpu = false;
  bool devices = false;
  options.positional("MODEL", model, false,
                     "a Hugging Face folder, a hub id (org/name), an .onnx file, or a bundle");
  options.option("--check", rules,
                 "trt: hold an .onnx file against TensorRT's rules; exit 1 if one is broken");
  options.option("--task", task, "the head to build (default: the model's own)");
  options.flag("--graph", graph, "the graph in text form");
  options.flag("--quantizers", quantizers, "on, scheme, range, error and name of every quantizer");
  options.flag("--verify", hashes, "hash a bundle's files; exit 1 if one is wrong");
  options.flag("--cpu", cpu, "what was found here, what is used, the measured peak");
  options.flag("--devices", devices, "the CUDA devices here, and which kernels each would run");
  common.add_to(options);
  if (!options.parse(arguments)) return 0;

  if (cpu) return print_cpu(common);
  if (devices) return print_devices(common);
  if (model.empty()) fail(ErrorCode::kInvalidArgument, "give a MODEL, --cpu or --devices");
  if (hashes) return verify(model, common);
  if (rules) return check_file(model, *rules, common);
  api::ModelOptions load;
  common.apply(load);
  load.pool = common.make_pool();
  if (task) load.task = task_flag(*task);
  const auto loaded = api::LoadedModel::load(find_model(model, common), load);
  if (graph) {
    print_lines(graph::print(loaded->graph()));
  } else if (common.json) {
    print_json(*loaded);
  } else if (quantizers) {
    print_quantizers(*loaded);
  } else {
    print_text(*loaded);
  }
  return 0;
}

}  // namespace tamis::cli
