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

#include "base/named.h"
#include "model/loaded_model.h"

namespace tamis::api {

enum class TritonBackend : uint8_t {
  kTamis,        ///< NAME_inference alone: texts in, answers out
  kOnnxRuntime,  ///< NAME_tokenize, NAME_model (model.onnx), NAME_inference: both in turn
  kTensorRt,     ///< the same with model.plan
};

inline constexpr Named<TritonBackend> kTritonBackends[] = {
    {"tamis", TritonBackend::kTamis},
    {"onnxruntime", TritonBackend::kOnnxRuntime},
    {"tensorrt", TritonBackend::kTensorRt}};

struct TritonOptions {
  TritonBackend backend = TritonBackend::kTamis;
  std::string name;  ///< before the underscore; "": model_name() of `argument`
  /// The model as the user wrote it; "": its folder. An .onnx file has its folder's name.
  std::string argument;
  std::optional<tasks::TaskKind> task;  ///< nothing: what the model was made for
  /// Threads, kernel sets, and how a checkpoint is read: family and adapter, which are for
  /// checkpoints that are exported, as the backend tamis reads a copy of the folder.
  ModelOptions model;
  std::string accelerator;  ///< of ONNX Runtime: "tensorrt", "openvino" or ""
  bool on_cards = false;
  /// Enables Triton's response cache for the models of the backend tamis. That cache outlives a
  /// model that is loaded anew in place, and gives the answers of the one before.
  bool response_cache = false;
  bool force = false;  ///< replaces a repository that this wrote
};

struct TritonReport {
  std::filesystem::path repository;
  std::vector<std::string> models;  ///< in the order in which requests go through them
  int64_t bytes = 0;
  std::string note;  ///< what is left to do; "": nothing
};

/// Writes the repository, all of it or nothing. Throws Error: kUnsupported (a bundle for another
/// backend than tamis, inputs or outputs that the pieces cannot pass on, a prompt or a cut of the
/// embedding that they would leave out), kInvalidArgument (the folder is there and not to be
/// replaced, a name that Triton does not take), and what loading the model throws.
TritonReport export_triton(const ModelPath& path, const std::filesystem::path& folder,
                           const TritonOptions& options);

}  // namespace tamis::api
