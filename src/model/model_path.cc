#include "model/model_path.h"

#include "base/error.h"
#include "base/file.h"
#include "base/files/staged_folder.h"
#include "formats/checkpoint.h"
#include "model/onnx_model.h"

namespace tamis::api {

namespace fs = std::filesystem;

ModelPath resolve_model(std::string_view model, const hub::PullOptions& options) {
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
  if (file_exists(folder / "config.json") || file_exists(folder / "modules.json") ||
      is_gliner(folder)) {
    return {folder, ModelKind::kCheckpoint};
  }
  refuse_foreign_folder(folder);
  fail(ErrorCode::kNotFound, "\"", folder.string(),
       "\": not a model; a folder with config.json (Hugging Face), tamis.json (a bundle) or an "
       ".onnx file is");
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
