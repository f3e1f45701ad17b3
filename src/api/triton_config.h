// config.pbtxt of NVIDIA Triton, as this program writes it.
//
// Is: the fields of a model as data, and their text. Is not: what they are for a given model
// (triton_repository.h). May use: base.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/triton.h"

namespace tamis::api {

struct TritonTensor {
  std::string name;
  std::string type;           ///< "TYPE_STRING", ...
  std::vector<int64_t> dims;  ///< without the batch; -1: any
  bool optional = false;      ///< of inputs
  std::string labels = {};    ///< of outputs: the file with a label a line; "" without
};

/// One batch that the server runs before a model is ready; its values lie in `warmup/FILE`.
struct TritonWarmup {
  std::string input;
  std::string type;
  std::vector<int64_t> dims;
  std::string file;
};

/// What runs behind another in an ensemble: (name of the model's tensor, name in the ensemble).
struct TritonStep {
  std::string model;
  std::vector<std::pair<std::string, std::string>> inputs;
  std::vector<std::pair<std::string, std::string>> outputs;
};

struct TritonConfig {
  std::string name;
  std::string backend;   ///< "" of an ensemble
  std::string platform;  ///< of backends that come with the server, and of ensembles
  std::string file;      ///< default_model_filename; "": the backend's own
  int64_t max_batch_size = kTritonBatch;
  std::vector<TritonTensor> inputs;
  std::vector<TritonTensor> outputs;
  bool on_cards = false;
  bool cached = false;      ///< response_cache: the server may answer what came before by itself
  std::string accelerator;  ///< of ONNX Runtime: "tensorrt", "openvino" or ""
  std::vector<std::pair<std::string, std::string>> parameters;
  std::vector<TritonWarmup> warmup;
  std::vector<TritonStep> steps;  ///< of an ensemble
};

/// The file's text.
[[nodiscard]] std::string write_triton_config(const TritonConfig& config);

}  // namespace tamis::api
