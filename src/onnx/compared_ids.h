// Ids that a file compares input_ids with, which the probes should have.
//
// Is: a look at its nodes before it is read. Is not: what comes of them. May use: formats.
#pragma once

#include <cstdint>
#include <vector>

#include "formats/onnx/onnx_model.h"

namespace tamis::onnx {

/// One above 9, as a masked token's; 9 where there is none.
[[nodiscard]] int64_t compared_id(const ModelProto& model);

/// Those from 0 to 9, each once.
[[nodiscard]] std::vector<int64_t> compared_digits(const ModelProto& model);

/// The id whose places in input_ids a file looks for; -1: none.
[[nodiscard]] int64_t placed_id(const ModelProto& model);

}  // namespace tamis::onnx
