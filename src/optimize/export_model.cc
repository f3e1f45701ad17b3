#include "optimize/export_model.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/files/staged_folder.h"
#include "formats/checkpoint.h"
#include "model/loaded_model.h"
#include "model/onnx_model.h"
#include "onnx/export/export_onnx.h"
#include "optimize/export_quantized.h"
#include "quant/cost.h"

namespace tamis::api {

namespace fs = std::filesystem;
using models::HeadKind;

namespace {

constexpr std::string_view kFile = "model.onnx";

// What a checkpoint has beside its weights.
bool is_side_file(const fs::path& file) {
  const std::string name = file.filename().string();
  const std::string end = file.extension().string();
  if (name.ends_with(".index.json")) return false;
  return end == ".json" || end == ".txt" || end == ".model" || end == ".jinja";
}

// sentence-transformers' modules: 1_Pooling, 2_Dense.
bool is_module_folder(const fs::path& folder) {
  const std::string name = folder.filename().string();
  const size_t line = name.find('_');
  return line != name.npos && line > 0 && name.find_first_not_of("0123456789") == line;
}

void copy_side_files(const fs::path& from, const fs::path& to) {
  for (const auto& entry : fs::directory_iterator(from)) {
    if (entry.is_regular_file() && is_side_file(entry.path())) {
      write_file(to / entry.path().filename(), read_file(entry.path()));
    }
  }
}

// A Transformer module gives its weights to model.onnx; others keep theirs.
void copy_module(const fs::path& from, const fs::path& to) {
  fs::create_directories(to);
  copy_side_files(from, to);
  if (file_exists(from / "config.json") && !file_exists(from / "tokenizer_config.json")) {
    for (const WeightNames& names : weight_names()) {
      if (file_exists(from / names.file)) write_file(to / names.file, read_file(from / names.file));
    }
  }
}

void copy_model_files(const fs::path& from, const fs::path& to) {
  copy_side_files(from, to);
  for (const auto& entry : fs::directory_iterator(from)) {
    if (entry.is_directory() && is_module_folder(entry.path())) {
      copy_module(entry.path(), to / entry.path().filename());
    }
  }
}

// A module that export has no nodes for; empty: there is none.
std::string_view module_without_nodes(const SentenceTransformerConfig& sentence) {
  if (sentence.query != nullptr) return "Router with a StaticEmbedding";
  if (sentence.is_token_weights()) return "SparseStaticEmbedding";
  return sentence.is_static() ? "StaticEmbedding" : "";
}

void refuse_what_is_not_built(std::string_view module, bool has_head, const fs::path& folder) {
  if (!module.empty()) {
    fail(ErrorCode::kUnsupported, folder.string(), ": a ", module,
         " as an .onnx file is not built; accepted are transformers");
  }
  if (has_head) {
    fail(ErrorCode::kUnsupported, folder.string(),
         ": a SetFit head in an .onnx file is not built; accepted are models without one");
  }
}

models::BuiltModel read_model(const ModelPath& path, const SentenceTransformerConfig& sentence,
                              const ExportModelOptions& options) {
  const ModelOptions& model = options.optimize.model;
  const fs::path inner =
      sentence.transformer_folder.empty() ? path.folder : sentence.transformer_folder;
  const auto pool = model.pool ? model.pool : std::make_shared<ThreadPool>(default_thread_count());
  const models::BuildOptions build = build_options(options.task, sentence, inner, pool);
  if (path.kind == ModelKind::kOnnx) return read_onnx_model(path.file, inner, build).built;
  return models::build_model(*Checkpoint::open(inner, {model.family, model.adapter}), build);
}

// The same, and proof that its values fit half precision.
models::BuiltModel read_half_model(const ModelPath& path, const ExportModelOptions& options) {
  models::BuiltModel built;
  ModelOptions load = options.optimize.model;
  load.task = options.task;
  load.precision = engine::Precision::kFp32;
  load.warn_of_ranges = false;
  load.see_built = [&built](const models::BuiltModel& model) { built = model; };
  const auto model = LoadedModel::load(path, load);
  check_half_range(*model, built.graph, options.optimize);
  return built;
}

void check_destination(const fs::path& folder) {
  std::error_code ignored;
  const bool other = fs::is_directory(folder, ignored) && !fs::is_empty(folder, ignored) &&
                     !file_exists(folder / kFile);
  if (other) {
    fail(ErrorCode::kInvalidArgument, folder.string(), ": holds no ", kFile,
         "; only an exported or an empty folder is replaced");
  }
  check_replaceable(folder, "export", [](const fs::directory_entry& entry) {
    return entry.is_directory() ? is_module_folder(entry.path())
                                : entry.path().filename() == kFile || is_side_file(entry.path());
  });
}

// The files of a bundle that a model needs beside its weights. Where its modules cut texts, the
// tokenizer's config says so, as no module is there to do it.
void write_bundle_files(const fs::path& from, const LoadedModel& model, const fs::path& to) {
  for (const std::string_view name : {"config.json", "tokenizer.json"}) {
    if (file_exists(from / name)) write_file(to / name, read_file(from / name));
  }
  const int64_t longest = model.manifest().max_length;
  write_file(to / "tokenizer_config.json",
             model.tokenizer().config_json(longest > 0 ? std::optional(longest) : std::nullopt));
}

void check_bundle(const LoadedModel& model) {
  if (model.manifest().prompts.empty()) return;
  fail(ErrorCode::kUnsupported, model.folder().string(),
       ": its prompts have no place in the files that a bundle is exported to; export the "
       "checkpoint it was made of");
}

/// What is written, and what is to be said of it.
struct Written {
  onnx::ModelProto model;
  ExportReport report;
  std::shared_ptr<const LoadedModel> bundle;  ///< null: of a checkpoint
};

// The value of the output; kNoValue if there is none.
graph::ValueId output_value(const graph::Graph& graph, std::string_view name) {
  for (const graph::GraphOutput& output : graph.outputs()) {
    if (output.name == name) return output.value;
  }
  return graph::kNoValue;
}

// Whether whoever reads the last hidden states alone makes the embedding of them: their mean.
bool embeds_by_mean(const graph::Graph& graph) {
  const graph::ValueId tokens = output_value(graph, "token_embeddings");
  const int producer = graph.producer(output_value(graph, "sentence_embedding"));
  if (tokens == graph::kNoValue || producer < 0) return tokens != graph::kNoValue;
  const graph::Node& node = graph.nodes()[static_cast<size_t>(producer)];
  return node.op == graph::OpKind::kSequencePool && node.operand(graph::Operand::kX) == tokens &&
         node.attribute<graph::PoolAttributes>().modes == std::vector{Pooling::kMean};
}

// The embedding where the folder's modules or the model's class make one by more than a mean.
onnx::OutputKind written_output(HeadKind head, const graph::Graph& graph, bool has_modules) {
  return output_of(head, has_modules || !embeds_by_mean(graph));
}

Written write_float(const ModelPath& path, const ExportModelOptions& options,
                    onnx::FloatType float_type) {
  if (path.kind == ModelKind::kBundle) {
    fail(ErrorCode::kUnsupported, path.folder.string(),
         ": is a bundle, fused for this program; --format onnx takes the checkpoint it was made "
         "of, and --format onnx-qdq a bundle whose ranges are static");
  }
  const SentenceTransformerConfig sentence = read_sentence_transformer(path.folder);
  refuse_what_is_not_built(module_without_nodes(sentence), sentence.setfit.has_value(),
                           path.folder);
  const models::BuiltModel built = float_type == onnx::FloatType::kFp16
                                       ? read_half_model(path, options)
                                       : read_model(path, sentence, options);
  onnx::ExportOptions write;
  write.output = written_output(built.head, built.graph, sentence.has_modules);
  write.unit_length = built.normalize;
  write.float_type = float_type;
  Written written;
  written.report.parameters = count_parameters(built.graph);
  written.model = onnx::export_onnx(built.graph, write);
  return written;
}

Written write_quantized(const ModelPath& path, const ExportModelOptions& options,
                        onnx::FloatType float_type, const OptimizeProgress& progress) {
  if (path.kind == ModelKind::kCheckpoint) {
    const SentenceTransformerConfig sentence = read_sentence_transformer(path.folder);
    refuse_what_is_not_built(module_without_nodes(sentence), sentence.setfit.has_value(),
                             path.folder);
  }
  const QuantizedSource source = quantized_source(path, options, progress);
  refuse_what_is_not_built(source.manifest.empty_text_id ? "StaticEmbedding" : "",
                           source.graph.find_value(models::kSetFitWeight) != graph::kNoValue,
                           path.folder);
  if (float_type == onnx::FloatType::kFp16) {
    check_half_range(*source.model, source.graph, options.optimize);
  }
  const bool modules = path.kind == ModelKind::kBundle
                           ? output_value(source.graph, "sentence_embedding") != graph::kNoValue
                           : read_sentence_transformer(path.folder).has_modules;
  onnx::ExportOptions write;
  write.output = written_output(head_of(source.manifest.task), source.graph, modules);
  write.unit_length = source.manifest.normalize;
  write.float_type = float_type;
  write.flavor = options.flavor;
  Written written;
  if (path.kind == ModelKind::kBundle) {
    check_bundle(*source.model);
    written.bundle = source.model;
  }
  written.model = onnx::export_onnx(source.graph, write);
  if (options.flavor == onnx::Flavor::kTensorRt) check_tensorrt_file(written.model, kFile);
  written.report.parameters = count_parameters(source.graph);
  for (const quant::QuantizerInfo& info : quant::list_quantizers(source.graph)) {
    written.report.quantizers += info.enabled ? 1 : 0;
  }
  written.report.float_work = quant::float_work(source.graph);
  written.report.plan = source.plan;
  written.report.loss = source.loss;
  return written;
}

}  // namespace

onnx::FloatType float_type_of(const ExportModelOptions& options) {
  const bool tensorrt = options.quantized && options.flavor == onnx::Flavor::kTensorRt;
  return options.float_type.value_or(tensorrt ? onnx::FloatType::kFp16 : onnx::FloatType::kFp32);
}

ExportReport export_model(const ModelPath& path, const fs::path& folder,
                          const ExportModelOptions& options, const OptimizeProgress& progress) {
  check_overrides(path, options.optimize.model);
  check_whole(path, "export");
  check_kept_apart(folder, path.folder);
  check_destination(folder);
  StagedFolder staged(folder, options.force);
  const onnx::FloatType float_type = float_type_of(options);
  Written written = options.quantized ? write_quantized(path, options, float_type, progress)
                                      : write_float(path, options, float_type);
  onnx::write_onnx(staged.path() / kFile, written.model);
  if (written.bundle != nullptr) {
    write_bundle_files(path.folder, *written.bundle, staged.path());
  } else {
    copy_model_files(path.folder, staged.path());
  }
  ExportReport& report = written.report;
  report.file = folder / kFile;
  report.nodes = static_cast<int64_t>(written.model.graph.nodes.size());
  report.bytes = static_cast<int64_t>(fs::file_size(staged.path() / kFile));
  staged.commit();
  return report;
}

}  // namespace tamis::api
