// Marks that take their ranges from a checkpoint, and weights on the grid that they were trained
// on.
//
// Is: what becomes of graph::TrainedRanges. Is not: calibration; nothing is looked at but the
// checkpoint. May use: graph.
#pragma once

#include <span>
#include <vector>

#include "graph/graph.h"
#include "graph/trained_ranges.h"
#include "quant/gptq.h"
#include "quant/marks.h"

namespace tamis::quant {

/// Gives the marks (as add_marks() made them, before passes) their ranges. With kStatic a mark is
/// on if its range is a number; with kNative linear layers that are on by default stay on if so,
/// and all others are off. Throws Error: kCorruptData for a name that is no quantizer of the graph,
/// with near names, or a weight with another count of ranges than rows; kUnsupported for kOrt,
/// whose ranges are not symmetric.
void apply_ranges(graph::Graph& graph, const graph::TrainedRanges& ranges, Scheme scheme);

/// amax of each output row of a MatMul's weight, by its marks, in their order; empty if one has
/// none.
[[nodiscard]] std::vector<float> trained_rows(const graph::Node& matmul,
                                              const graph::TrainedRanges& ranges);

/// The weight on the grid of its rows' ranges: scale = amax / 127, integers in [-127, 127].
[[nodiscard]] IntegerWeight round_to_rows(std::span<const float> weight,
                                          std::span<const float> amax);

/// Weights whose mark is on while their input's is not: rounded to their grid, in float, the mark
/// done with. After passes, of which fold_attention_scale must not have run: it moves weights from
/// their grid. Throws Error{kInvalidArgument} for a mark that is on without a range.
void round_lone_weights(graph::Graph& graph, const graph::TrainedRanges& ranges);

/// Makes the other linear layers whose marks are on integer, on the trained grid, as
/// make_plain_plan() does on that of the weights' maxima. Otherwise as round_lone_weights().
void make_trained_plan(graph::Graph& graph, const graph::TrainedRanges& ranges);

}  // namespace tamis::quant
