// Tables that ids look into.
#pragma once

#include <string>

#include "onnx/export/export_context.h"

namespace tamis::onnx {

/// What an EmbedLayerNormalization normalizes.
std::string sum_of_embeddings(ExportContext& c, const graph::Node& node);

}  // namespace tamis::onnx
