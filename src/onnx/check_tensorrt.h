// Anyone's ONNX file against what TensorRT asks of explicitly quantized networks.
//
// Is: rules on nodes, scales and constants, each finding with a repair. Is not: TensorRT's parser:
// a file without findings may still hold an operator that it lacks. May use: formats. Source:
// NVIDIA's guide to explicit quantization; TensorRT 11 runs the types that the file names.
#pragma once

#include <string>
#include <vector>

#include "formats/onnx/onnx_model.h"

namespace tamis::onnx {

enum class Severity : uint8_t {
  kError,  ///< refused, or computed wrongly
  kSpeed,  ///< runs, but without the fusion that makes it fast
};

struct Finding {
  Severity severity = Severity::kError;
  std::string rule;   ///< "zero-point", "fan-out", ...
  std::string where;  ///< the node and its operator, or the constant
  std::string what;
  std::string fix;
};

/// In the order of the nodes, those of constants first.
[[nodiscard]] std::vector<Finding> check_tensorrt(const ModelProto& model);

}  // namespace tamis::onnx
