#include "model/model_path.h"

#include "base/error.h"
#include "base/file.h"
#include "base/files/staged_folder.h"
#include "formats/adapter_base.h"
#include "formats/checkpoint.h"
#include "model/onnx_model.h"

namespace tamis::api {

namespace fs = std::filesystem;

namespace {

enum class Adapters { kWithTheirBase, kRefused };

ModelPath resolve(std::string_view model, const hub::PullOptions& options, Adapters adapters);

// A relative path is one of the working directory, as PEFT takes it.
fs::path base_of(const fs::path& adapter, const hub::PullOptions& options) {
  const std::string name = adapter_base(adapter);
  try {
    const ModelPath base = resolve(name, options, Adapters::kRefused);
    if (base.kind == ModelKind::kCheckpoint) return base.folder;
  } catch (const Error& error) {
    fail(error.code(), (adapter / "adapter_config.json").string(),
         ": base_model_name_or_path: ", error.what());
  }
  fail(ErrorCode::kUnsupported, (adapter / "adapter_config.json").string(),
       ": base_model_name_or_path is ", json_quote(name.substr(0, 200)),
       ", which is no checkpoint; accepted is a folder or hub id with config.json and weights");
}

ModelPath resolve(std::string_view model, const hub::PullOptions& options, Adapters adapters) {
  if (model.empty()) fail(ErrorCode::kInvalidArgument, "the model's path is empty");
  fs::path folder = settled_folder(model);
  std::error_code ignored;
  if (folder.extension() == ".onnx" && file_exists(folder)) {
    return {onnx_model_folder(folder), ModelKind::kOnnx, folder};
  }
  if (!fs::exists(folder, ignored)) {
    if (!hub::parse_model_id(model)) {
      fail(ErrorCode::kNotFound, "\"", model, "\": no such folder");
    }
    folder = hub::locate(model, options);
  }
  if (file_exists(folder / "tamis.json")) return {folder, ModelKind::kBundle};
  if (const auto file = find_onnx_file(folder)) return {folder, ModelKind::kOnnx, *file};
  if (is_adapter_alone(folder) && adapters == Adapters::kWithTheirBase) {
    return {folder, ModelKind::kCheckpoint, {}, base_of(folder, options)};
  }
  if (file_exists(folder / "config.json") || file_exists(folder / "modules.json") ||
      is_gliner(folder)) {
    return {folder, ModelKind::kCheckpoint};
  }
  refuse_foreign_folder(folder);
  fail(ErrorCode::kNotFound, "\"", folder.string(),
       "\": not a model; a folder with config.json (Hugging Face), tamis.json (a bundle) or an "
       ".onnx file is");
}

}  // namespace

ModelPath resolve_model(std::string_view model, const hub::PullOptions& options) {
  return resolve(model, options, Adapters::kWithTheirBase);
}

fs::path tokenizer_folder(const ModelPath& path, const fs::path& weights) {
  const bool own = path.base.empty() || file_exists(weights / "tokenizer.json") ||
                   file_exists(weights / "tokenizer_config.json");
  return own ? weights : path.base;
}

void check_whole(const ModelPath& path, std::string_view command) {
  if (path.base.empty()) return;
  fail(ErrorCode::kUnsupported, path.folder.string(), ": ", command,
       " copies a model's files, and a PEFT adapter lies apart from its base; accepted are what "
       "merge_and_unload() saves and a bundle of `tamis optimize`");
}

std::string model_name(std::string_view model) {
  std::error_code ignored;
  const bool is_path = model.find_first_of("/.~") == 0 || fs::exists(model, ignored);
  if (!is_path && hub::parse_model_id(model)) {
    model = model.substr(0, model.find('@'));
    return std::string(model.substr(model.rfind('/') + 1));
  }
  fs::path path = fs::path(model).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  if (path.filename() == "." || path.filename() == "..") {
    path = fs::absolute(path).lexically_normal();
    if (path.filename().empty()) path = path.parent_path();
  }
  return path.filename().string();
}

}  // namespace tamis::api
