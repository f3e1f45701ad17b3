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
  std::filesystem::path base = {};  ///< of a folder with a PEFT adapter alone: the model it is for
};

/// An .onnx file stands for itself, with config and tokenizer beside it (onnx_model.h). A folder
/// with tamis.json is a bundle, one that holds an .onnx file and no other weights means that, and
/// one with config.json or modules.json is a checkpoint; what is
/// no folder and has the form of a hub id is taken from the Hugging Face cache, and downloaded
/// where that lacks it (hub/pull.h). So is the base that a PEFT adapter alone names. Throws
/// Error{kNotFound} saying where it looked.
[[nodiscard]] ModelPath resolve_model(std::string_view model, const hub::PullOptions& options = {});

/// Where the tokenizer of a checkpoint lies whose weights are in `weights`: there, or, of a PEFT
/// adapter alone that was saved without one, with the base.
[[nodiscard]] std::filesystem::path tokenizer_folder(const ModelPath& path,
                                                     const std::filesystem::path& weights);

/// Throws Error{kUnsupported} naming the folder and the command where a PEFT adapter lies apart
/// from its base: such a model has no folder that could be copied.
void check_whole(const ModelPath& path, std::string_view command);

/// What a MODEL argument is called where nobody names it: its last path component, of "." that of
/// the folder it stands for, and a hub id's name without its revision.
[[nodiscard]] std::string model_name(std::string_view model);

}  // namespace tamis::api
