// Tokens that all others see.
#pragma once

#include <string>

#include "onnx/export/export_context.h"

namespace tamis::onnx {

/// How a sequence's ids tell them, for a mask or a merge.
struct GlobalTokens {
  graph::GlobalRule rule = graph::GlobalRule::kNone;
  int64_t separator = 0;
  graph::ValueId ids = graph::kNoValue;
};

/// Whether each token is one, [batch or 1, tokens]. Padding may be; masks hide it.
std::string global_tokens(ExportContext& c, const GlobalTokens& tokens);

}  // namespace tamis::onnx
