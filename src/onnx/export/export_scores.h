// What distances add to attention's scores.
#pragma once

#include <string>

#include "onnx/export/export_context.h"

namespace tamis::onnx {

/// The node's bias [1, heads, queries, keys].
std::string score_bias(ExportContext& c, const graph::Node& node);

/// Queries and keys of the same heads, [batch, heads, tokens, size] each.
struct HeadRows {
  std::string queries;
  std::string keys;  ///< empty where the node has no position queries
};

/// The products of queries and keys with the positions of their distance.
std::string position_scores(ExportContext& c, const graph::Node& node, const HeadRows& rows);

}  // namespace tamis::onnx
