// Which rows of a table of places queries and keys meet in, told by their values in every probe.
//
// Is: DeBERTa's rules, with log buckets and without. Is not: a product. May use: onnx/probe,
// kernels/reference.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "onnx/probe.h"

namespace tamis::onnx {

struct PositionRule {
  int64_t buckets = 0;        ///< 0: a row for each distance
  int64_t max_positions = 0;  ///< where distances end
  bool of_queries = true;     ///< rows of the ids are queries and columns keys, or the reverse
  bool is_certain = true;     ///< false: others fit too, which differ beyond the longest probe
};

/// A table's rows, all of them or, with `centered`, 2 * tokens of them around the middle.
struct PlaceRows {
  int64_t count = 0;
  bool centered = false;
};

/// The rule that ids [.., tokens, tokens] follow, which are alike along all other axes. Nothing:
/// they follow none.
[[nodiscard]] std::optional<PositionRule> position_rule(std::span<const Array> ids,
                                                        std::span<const Probe> probes,
                                                        const PlaceRows& rows);

}  // namespace tamis::onnx
