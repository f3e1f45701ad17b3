// The integers of a batch as kernels read them: ids, borders, which rows are whose.
//
// Is: what a plan wants of a batch, where each array lies in one block that is sent at once, and
// its contents. Is not: on the card. May use: engine, graph, kernels/cuda.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/packed_batch.h"
#include "graph/graph.h"
#include "kernels/cuda/attention/attention.h"

namespace tamis::engines::cuda {

/// Rows of a batch by symbol, or as many as there may be.
struct Extent {
  int64_t sequences = 0;
  int64_t tokens = 0;
  int64_t selected = 0;

  [[nodiscard]] int64_t rows(graph::Symbol symbol) const;
  /// Attention's tiles of query rows that the symbol counts, at most.
  [[nodiscard]] int64_t tiles(graph::Symbol symbol) const;
  friend auto operator<=>(const Extent&, const Extent&) = default;
};
[[nodiscard]] Extent extent_of(const engine::PackedBatch& batch);
/// A larger one of few, so that work recorded for it serves many batches.
[[nodiscard]] Extent bucket_of(const Extent& extent);

enum class ArrayKind : uint8_t {
  kRows,          ///< [1]: rows that the symbol counts
  kInputIds,      ///< [T]
  kTokenTypeIds,  ///< [T], zeros where the batch brings none
  kShiftedIds,    ///< [T]: what a decoder reads
  kPositions,     ///< [T]: position ids by the family's rule
  kCuSeqlens,     ///< [B + 1]
  kPlaces,        ///< of each row its token's place in its sequence
  /// The same, by the batch's position ids if it brings them; where long_from is not 0, twice
  /// that, and 1 more in sequences with places from long_from on
  kGivenPlaces,
  kTileCount,  ///< [1]
  kTiles,      ///< AttentionTile of the symbol's rows
  kTokenOf,    ///< of each row the token that it is; -1: none
  kLastOf,     ///< [B]: the last token that is not the padding, or is `token`; -1: none
  kUnpooled,   ///< [B]: PackedBatch::unpooled, 0 where that is empty
  kFilled,     ///< [B]: the sequence's number, -1 where it is empty
  kFinished,   ///< [tiles of rows, at most]: zeros, to count finished blocks from
  kAround,     ///< [T, width]: the tokens around each, -1 outside its sequence
  kSeenByAll,  ///< [T]: 1 for tokens that all of their sequence see
  kDropout,    ///< [T] floats: what TokenDropout multiplies a token with
};

/// One array that a plan reads.
struct ArrayKey {
  ArrayKind kind = ArrayKind::kRows;
  graph::Symbol symbol = graph::Symbol::kTokens;
  int64_t width = 0;        ///< of kAround
  int64_t padding_idx = 0;  ///< of kLastOf
  graph::PositionIdsAttributes rule = {};
  int64_t token = -1;  ///< of kLastOf: the one that is looked for, unless it is -1
  graph::ShiftIdsAttributes shift = {};
  int64_t long_from = 0;  ///< of kGivenPlaces
  graph::TokenDropoutAttributes dropout = {};
  graph::MergeGlobalAttributes global = {};  ///< of kSeenByAll

  friend bool operator==(const ArrayKey&, const ArrayKey&) = default;
};

/// Arrays by their number. Immutable once the plan is made.
class BatchArrays {
 public:
  /// The array's number, the same for the same key.
  [[nodiscard]] int add(const ArrayKey& key);

  /// Byte offsets of all arrays for batches up to `extent`; returns the bytes in all.
  [[nodiscard]] size_t layout(const Extent& extent, std::vector<size_t>& offsets) const;
  /// Writes the arrays of a batch at the offsets of `extent` in `block`.
  void fill(const engine::PackedBatch& batch, const Extent& extent,
            const std::vector<size_t>& offsets, std::byte* block) const;

 private:
  std::vector<ArrayKey> keys_;
};

}  // namespace tamis::engines::cuda
