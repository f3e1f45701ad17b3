// Which row of a table a distance has, in the families whose attention knows distances.
//
// Is: the rules of T5 (MPNet) and DeBERTa, in the float32 steps in which their modeling files
// compute them, so that no distance falls into another bucket. Is not: an attention. May use:
// nothing.
// Source: transformers, models/t5/modeling_t5.py (_relative_position_bucket),
// models/deberta_v2/modeling_deberta_v2.py (make_log_bucket_position)
#pragma once

#include <cstdint>

namespace tamis::kernels::reference {

/// The bucket in [0, buckets) of a key's place less the query's: a half for keys before and at the
/// query, a half for those behind it. Of each half the first half are distances of their own; the
/// rest are logarithmic and end at max_distance. buckets is a multiple of 4, buckets / 4 below
/// max_distance.
[[nodiscard]] int64_t t5_bucket(int64_t distance, int64_t buckets, int64_t max_distance);

/// Which distance shares a row with which, in DeBERTa.
struct DebertaSlots {
  int64_t buckets = 0;        ///< 0: a row for each distance; else even, at least 4
  int64_t max_positions = 0;  ///< at least 1; with buckets, above buckets / 2 + 1

  /// Rows on either side of distance 0.
  [[nodiscard]] int64_t span() const { return buckets > 0 ? buckets : max_positions; }
};

/// The row in [0, 2 * span) of a key's place less the query's; never rising with the distance.
[[nodiscard]] int64_t deberta_slot(int64_t distance, const DebertaSlots& slots);

/// A distance from which on, in both directions, deberta_slot() stays as it is.
[[nodiscard]] int64_t deberta_reach(const DebertaSlots& slots);

}  // namespace tamis::kernels::reference
