// Whether a file's answers are the same whatever its texts are padded with.
//
// Is: a rule on who reads attention_mask. Is not: an evaluation. May use: formats.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "formats/onnx/onnx_model.h"

namespace tamis::onnx {

/// Whether the values of `mask` decide what every attention sees that the answers are made of: each
/// softmax, and each operator that has one in it, reads something made of them. Otherwise padding
/// shows in the answers.
[[nodiscard]] bool masks_padding(const GraphProto& graph, std::string_view mask,
                                 std::span<const std::string> answers);

}  // namespace tamis::onnx
