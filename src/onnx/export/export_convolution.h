// Products of tokens beside their neighbors.
#pragma once

#include <string>

#include "onnx/export/export_context.h"

namespace tamis::onnx {

/// Whether a MatMul of unfolded tokens is written as a Conv: one of floats is. That of integers
/// reads the neighbors side by side, as each column of them has a scale of its own; so does that of
/// bf16, which Conv takes from opset 22 on.
[[nodiscard]] bool is_convolution(const ExportContext& c, const graph::Node& node);

/// The product of such a node, and its bias.
std::string convolution(ExportContext& c, const graph::Node& node);

}  // namespace tamis::onnx
