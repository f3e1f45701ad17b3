// A model repository of NVIDIA Triton, written of a model.
//
// Is: folders, config.pbtxt and what each backend reads; tokenized by the backend tamis
// (integrations/triton), so without Python. Is not: a server, or an engine of TensorRT, which is
// built where it is to run. May use: loaded_model, export_model, onnx.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/model_path.h"
#include "tasks/task.h"

namespace tamis::api {

enum class TritonBackend : uint8_t {
  kTamis,        ///< NAME_inference alone: texts in, answers out
  kOnnxRuntime,  ///< NAME_tokenize, NAME_model (model.onnx), NAME_inference: both in turn
  kTensorRt,     ///< the same with model.plan
};

/// "tamis", "onnxruntime", "tensorrt". Throws Error{kInvalidArgument} naming them.
[[nodiscard]] TritonBackend triton_backend_from_name(std::string_view name);

struct TritonOptions {
  TritonBackend backend = TritonBackend::kTamis;
  std::string name;                     ///< before the underscore; "": that of the model's folder
  std::optional<tasks::TaskKind> task;  ///< nothing: what the model was made for
  std::string accelerator;              ///< of ONNX Runtime: "tensorrt", "openvino" or ""
  bool on_cards = false;
  bool force = false;  ///< replaces a repository that this wrote
};

struct TritonReport {
  std::filesystem::path repository;
  std::vector<std::string> models;  ///< in the order in which requests go through them
  int64_t bytes = 0;
  std::string note;  ///< what is left to do; "": nothing
};

/// Writes the repository, all of it or nothing. Throws Error: kUnsupported (a bundle for another
/// backend than tamis, inputs or outputs that the pieces cannot pass on), kInvalidArgument (the
/// folder is there and not to be replaced, a name that Triton does not take), and what loading the
/// model throws.
TritonReport export_triton(const ModelPath& path, const std::filesystem::path& folder,
                           const TritonOptions& options);

}  // namespace tamis::api
