// The files of a model that a repository of Triton gets.
//
// Is: which files are copied, and the copying. Is not: configuration (triton_config.h). May use:
// hub, formats, model_path.
#pragma once

#include <filesystem>
#include <string_view>

#include "model/model_path.h"

namespace tamis::api {

/// As ONNX Runtime and the tools of TensorRT look for it.
inline constexpr std::string_view kOnnxFile = "model.onnx";

/// Copies the file, as model.onnx, with the files of external data that its tensors name. Throws
/// Error: what reading it throws, kUnavailable for a file that cannot be copied.
void copy_onnx(const std::filesystem::path& file, const std::filesystem::path& to);

/// Copies a bundle's files; of a checkpoint the weights that are read, of an .onnx file itself as
/// copy_onnx() does, each with configuration and tokenizer.
void copy_model(const ModelPath& path, const std::filesystem::path& to);

}  // namespace tamis::api
