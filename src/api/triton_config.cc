#include "api/triton_config.h"

#include <algorithm>

#include "base/error.h"
#include "base/text_proto.h"
#include "base/version.h"

namespace tamis::api {

namespace {

// A request waits at most so long for its turn; a client may ask for less.
constexpr int64_t kQueueTimeoutUs = 30'000'000;
constexpr int64_t kMaxQueueSize = 4096;

void write_tensor(TextProtoWriter& out, std::string_view kind, const TritonTensor& tensor) {
  out.begin(kind).text("name", tensor.name).word("data_type", tensor.type);
  out.numbers("dims", tensor.dims);
  if (tensor.optional) out.flag("optional", true);
  if (!tensor.labels.empty()) out.text("label_filename", tensor.labels);
  out.end();
}

void write_batcher(TextProtoWriter& out, const TritonConfig& config) {
  std::vector<int64_t> preferred;
  for (const int64_t part : {4, 1}) {
    if (config.max_batch_size >= part) preferred.push_back(config.max_batch_size / part);
  }
  out.begin("dynamic_batching").numbers("preferred_batch_size", preferred);
  // What came while a batch ran is the next one; waiting for more would only be waited.
  out.number("max_queue_delay_microseconds", 0);
  out.begin("default_queue_policy").word("timeout_action", "REJECT");
  out.number("default_timeout_microseconds", kQueueTimeoutUs);
  out.flag("allow_timeout_override", true).number("max_queue_size", kMaxQueueSize);
  out.end().end();
}

void write_accelerator(TextProtoWriter& out, const TritonConfig& config) {
  const bool card = config.accelerator == "tensorrt";
  out.begin("optimization").begin("execution_accelerators");
  out.begin(card ? "gpu_execution_accelerator" : "cpu_execution_accelerator");
  out.text("name", config.accelerator);
  out.end().end().end();
}

void write_warmup(TextProtoWriter& out, const std::vector<TritonWarmup>& inputs) {
  out.begin("model_warmup").text("name", "one text").number("batch_size", 1);
  for (const TritonWarmup& input : inputs) {
    out.begin("inputs").text("key", input.input).begin("value");
    out.word("data_type", input.type).numbers("dims", input.dims);
    out.text("input_data_file", input.file).end().end();
  }
  out.end();
}

void write_map(TextProtoWriter& out, std::string_view field,
               const std::vector<std::pair<std::string, std::string>>& rows) {
  for (const auto& [key, value] : rows) {
    out.begin(field).text("key", key).text("value", value).end();
  }
}

void write_steps(TextProtoWriter& out, const std::vector<TritonStep>& steps) {
  out.begin("ensemble_scheduling");
  for (const TritonStep& step : steps) {
    out.begin("step").text("model_name", step.model).number("model_version", -1);
    write_map(out, "input_map", step.inputs);
    write_map(out, "output_map", step.outputs);
    out.end();
  }
  out.end();
}

// What a model that is run by a backend has, and an ensemble has not.
void write_execution(TextProtoWriter& out, const TritonConfig& config) {
  // Tamis reads the texts of one batch while another is run; its instances share one model.
  out.begin("instance_group").number("count", config.backend == "tamis" ? 2 : 1);
  out.word("kind", config.on_cards ? "KIND_GPU" : "KIND_CPU").end();
  write_batcher(out, config);
  if (!config.accelerator.empty()) write_accelerator(out, config);
  for (const auto& [key, value] : config.parameters) {
    out.begin("parameters").text("key", key).begin("value").text("string_value", value);
    out.end().end();
  }
  if (!config.warmup.empty()) write_warmup(out, config.warmup);
}

}  // namespace

std::string write_triton_config(const TritonConfig& config) {
  TextProtoWriter out;
  out.comment(cat("Written by tamis ", version(), ": tamis export --format triton"));
  out.text("name", config.name);
  if (!config.platform.empty()) out.text("platform", config.platform);
  if (!config.backend.empty()) out.text("backend", config.backend);
  if (!config.file.empty()) out.text("default_model_filename", config.file);
  out.number("max_batch_size", config.max_batch_size);
  for (const TritonTensor& tensor : config.inputs) write_tensor(out, "input", tensor);
  for (const TritonTensor& tensor : config.outputs) write_tensor(out, "output", tensor);
  out.begin("version_policy").begin("latest").number("num_versions", 1).end().end();
  out.begin("response_cache").flag("enable", config.cached).end();
  if (config.steps.empty()) {
    write_execution(out, config);
  } else {
    write_steps(out, config.steps);
  }
  return out.str();
}

}  // namespace tamis::api
