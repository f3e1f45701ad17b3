// What follows from the places of tokens: distances, tables by distance, the mask of attention.
#pragma once

#include <string>
#include <vector>

#include "onnx/export/export_context.h"

namespace tamis::onnx {

/// The places of a sequence's tokens, [tokens].
std::string places(ExportContext& c);

/// Tokens of the longest sequence, a scalar.
std::string token_count(ExportContext& c);

/// A key's place less the query's, [queries, keys].
std::string distances(ExportContext& c);

/// rows[reach + distance] of each query and key; distances beyond the reach count as it does.
std::string by_distance(ExportContext& c, const std::string& name, std::vector<int64_t> rows);

/// [batch, tokens, 1] in the file's float type: 1 for tokens, 0 for padding.
std::string token_column(ExportContext& c);

/// What keys that a query of the attention does not see add to its scores: 0 for those that it
/// sees.
std::string attention_mask(ExportContext& c, const graph::Node& attention);

}  // namespace tamis::onnx
