// Norms that parts of an export share.
#pragma once

#include <string>
#include <string_view>

#include "onnx/export/export_context.h"

namespace tamis::onnx {

struct NormConstants {
  std::string gamma;
  std::string beta;  ///< empty: none
  float epsilon = 0;
};

/// LayerNormalization of `x` in float32, in the file's float type: half precision has no epsilon of
/// 1e-12, and no variance beyond 65504.
std::string layer_norm(ExportContext& c, std::string_view scope, const std::string& x,
                       const NormConstants& constants);

/// Rows over their L2 norm, in float32 before and behind.
std::string unit_length(ExportContext& c, std::string_view scope, const std::string& x);

}  // namespace tamis::onnx
