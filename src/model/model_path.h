// Which folder a MODEL argument means.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "hub/pull.h"

namespace tamis::api {

enum class ModelKind { kCheckpoint, kBundle, kOnnx };

struct ModelPath {
  std::filesystem::path folder;
  ModelKind kind = ModelKind::kCheckpoint;
  std::filesystem::path file = {};  ///< of kOnnx: the .onnx file, in `folder` or its `onnx` folder
};

/// An .onnx file stands for itself, with config and tokenizer beside it (onnx_model.h). A folder
/// with tamis.json is a bundle, one that holds an .onnx file and no other weights means that, and
/// one with config.json or modules.json is a checkpoint; what is
/// no folder and has the form of a hub id is taken from the Hugging Face cache, and downloaded
/// where that lacks it (hub/pull.h). Throws Error{kNotFound} saying where it looked.
[[nodiscard]] ModelPath resolve_model(std::string_view model, const hub::PullOptions& options = {});

/// What a MODEL argument is called where nobody names it: its last path component, of "." that of
/// the folder it stands for, and a hub id's name without its revision.
[[nodiscard]] std::string model_name(std::string_view model);

}  // namespace tamis::api
