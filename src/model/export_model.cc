#include "model/export_model.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/staged_folder.h"
#include "formats/checkpoint.h"
#include "model/loaded_model.h"
#include "model/onnx_model.h"
#include "onnx/export_onnx.h"

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
  return end == ".json" || end == ".txt" || end == ".model";
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

models::BuiltModel read_model(const ModelPath& path, const SentenceTransformerConfig& sentence,
                              const ExportModelOptions& options) {
  const fs::path inner =
      sentence.transformer_folder.empty() ? path.folder : sentence.transformer_folder;
  const models::BuildOptions build = build_options(options.task, sentence, inner);
  if (path.kind == ModelKind::kOnnx) return read_onnx_model(path.file, inner, build).built;
  return models::build_model(*Checkpoint::open(inner), build);
}

void check_destination(const ModelPath& path, const fs::path& folder) {
  if (path.kind == ModelKind::kBundle) {
    fail(ErrorCode::kUnsupported, path.folder.string(),
         ": is a bundle, fused for this program; export takes the checkpoint it was made of");
  }
  std::error_code ignored;
  const bool other = fs::is_directory(folder, ignored) && !fs::is_empty(folder, ignored) &&
                     !file_exists(folder / kFile);
  if (other) {
    fail(ErrorCode::kInvalidArgument, folder.string(), ": holds no ", kFile,
         "; only an exported or an empty folder is replaced");
  }
}

}  // namespace

ExportReport export_model(const ModelPath& path, const fs::path& folder,
                          const ExportModelOptions& options) {
  check_destination(path, folder);
  StagedFolder staged(folder, options.force);
  const SentenceTransformerConfig sentence = read_sentence_transformer(path.folder);
  const models::BuiltModel built = read_model(path, sentence, options);
  const onnx::ModelProto model = onnx::export_onnx(
      built.graph, {output_of(built.head, sentence.has_modules), built.normalize});
  onnx::write_onnx(staged.path() / kFile, model);
  copy_model_files(path.folder, staged.path());
  ExportReport report;
  report.file = folder / kFile;
  report.nodes = static_cast<int64_t>(model.graph.nodes.size());
  report.parameters = count_parameters(built.graph);
  report.bytes = static_cast<int64_t>(fs::file_size(staged.path() / kFile));
  staged.commit();
  return report;
}

}  // namespace tamis::api
