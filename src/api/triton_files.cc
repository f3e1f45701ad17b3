#include "api/triton_files.h"

#include <set>
#include <string>

#include "base/error.h"
#include "formats/onnx/onnx_model.h"
#include "hub/model_files.h"

namespace tamis::api {

namespace fs = std::filesystem;

namespace {

void copy_one(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (!error) fs::copy_file(from, to, error);
  if (error) {
    fail(ErrorCode::kUnavailable, from.string(), ": cannot be copied to ", to.string(), ": ",
         error.message());
  }
}

std::set<std::string> files_below(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry :
       fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink)) {
    // By its name: in the Hugging Face cache it is a link out of the folder.
    if (!entry.is_regular_file()) continue;
    names.insert(entry.path().lexically_relative(folder).generic_string());
  }
  return names;
}

}  // namespace

void copy_onnx(const fs::path& file, const fs::path& to) {
  copy_one(file, to / kOnnxFile);
  for (const std::string& name : onnx::external_data_files(file)) {
    if (name == kOnnxFile) {
      fail(ErrorCode::kUnsupported, file.string(), ": its external data lies in a file ", name,
           ", which is the name that the file itself gets here");
    }
    copy_one(file.parent_path() / name, to / name);
  }
}

void copy_model(const ModelPath& path, const fs::path& to) {
  const bool onnx = path.kind == ModelKind::kOnnx;
  std::set<std::string> names = files_below(path.folder);
  if (onnx) names.erase("tamis.json");  // the file is meant, not the bundle that it lies in
  names = hub::choose_files(names, onnx ? hub::Parts::kBesideOnnx : hub::Parts::kModel,
                            path.folder.string(),
                            [&](const std::string& name) { return path.folder / name; });
  if (onnx) copy_onnx(path.file, to);
  for (const std::string& name : names) copy_one(path.folder / name, to / name);
}

}  // namespace tamis::api
