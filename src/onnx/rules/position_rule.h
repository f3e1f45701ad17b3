// Which rows of a table of places queries and keys meet in, told by their values in every probe.
//
// Is: DeBERTa's rules, with log buckets and without, and a row for each distance. Is not: a
// product. May use: onnx/probe, kernels/reference.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "onnx/probe.h"

namespace tamis::onnx {

struct PositionRule {
  int64_t buckets = 0;        ///< 0: a row for each distance
  int64_t max_positions = 0;  ///< where distances end
  bool of_queries = true;     ///< rows of the ids are queries and columns keys, or the reverse
  bool is_certain = true;     ///< false: others fit too, which differ beyond the longest probe
};

/// Rows of a table of which each distance has its own: `middle` plus the row's index less the
/// column's or, falling, the reverse.
struct DistanceRows {
  int64_t middle = 0;
  bool rising = true;
};

/// Which row ids [tokens, tokens] give to each distance. Nothing: not one of its own to each.
[[nodiscard]] std::optional<DistanceRows> distance_rows(std::span<const Array> ids,
                                                        std::span<const Probe> probes);

/// What ids [tokens, tokens] are for each distance up to `reach` of the column's index less the
/// row's, in every probe: at [distance + reach]. Nothing: they depend on more than distances.
struct IdsByDistance {
  int64_t reach = 0;
  std::vector<int64_t> ids;
};
[[nodiscard]] std::optional<IdsByDistance> ids_by_distance(std::span<const Array> ids,
                                                           std::span<const Probe> probes);

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
