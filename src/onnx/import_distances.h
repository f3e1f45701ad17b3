// Positions by distance (relative_key and relative_key_query of BERT and its kin) in their steps:
// a row for each distance of two tokens, times queries or keys.
//
// Is: what Gather comes across of it. Is not: a handler, but that of Einsum. May use: graph,
// formats.
#pragma once

#include "onnx/importer.h"

namespace tamis::onnx {

/// Rows [tokens, tokens, size] of a table with one for each distance; absent: the ids are others.
[[nodiscard]] ImportValue rows_of_distances(Importer& importer, const Step& step,
                                            const Known& table, const Known& ids);

}  // namespace tamis::onnx
