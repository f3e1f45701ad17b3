// Quantizers' ranges in a checkpoint.
//
// Is: the buffers named `<quantizer>._amax`, read. Is not: knowledge of the marks that they belong
// to. May use: formats, graph.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "formats/checkpoint.h"
#include "graph/trained_ranges.h"

namespace tamis::models {

/// True for the name of such a buffer.
[[nodiscard]] bool is_trained_range(std::string_view tensor);

/// All of the checkpoint's. `used`: the tensors that a graph was made of; `prefix`: what the
/// encoder's names begin with in classes that have a head. Throws Error{kCorruptData} naming the
/// tensor: not floats, a range that is negative or infinite, not one range a row.
[[nodiscard]] graph::TrainedRanges read_trained_ranges(const Checkpoint& checkpoint,
                                                       std::string_view prefix,
                                                       const std::set<std::string>& used);

}  // namespace tamis::models
