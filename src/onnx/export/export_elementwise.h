// Activations in the file.
#pragma once

#include <string>

#include "base/activation.h"
#include "onnx/export/export_context.h"

namespace tamis::onnx {

/// activation(x), for a node that has one of its own or of another layer's.
std::string activated(ExportContext& c, const graph::Node& node, const std::string& x,
                      Activation activation);

}  // namespace tamis::onnx
