// Making ragged batches, and knowing which rows of an output are whose.
//
// Is: the only packer of sequences, the only counter of rows, and what a batch costs. Is not: the
// choice of what rides together (tasks' callers, serve's queue). May use: packed_batch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/packed_batch.h"

namespace tamis::engine {

/// What one sequence brings to a batch. Borrows its arrays.
struct SequenceView {
  std::span<const int32_t> ids;
  std::span<const int32_t> type_ids;      ///< as many as ids, or empty: 0 everywhere
  std::span<const int32_t> position_ids;  ///< as many as ids, or empty: the family's rule
  std::span<const int32_t> selected;      ///< rising indices into ids, or empty: all
  int32_t keys = 0;                       ///< the first tokens that tokens see; 0: all
  int32_t unpooled = 0;                   ///< the first tokens that the pooling leaves out

  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(ids.size()); }
};

/// Rows [begin, begin + count) of an output.
struct RowRange {
  int64_t begin = 0;
  int64_t count = 0;
};

/// Rows that a sequence has in an output, in whatever batch it rides.
[[nodiscard]] int64_t rows_of(const SequenceView& sequence, RowUnit unit);

/// Which rows of a batch's outputs belong to which of its sequences. Borrows the batch's arrays.
class RowMap {
 public:
  explicit RowMap(const PackedBatch& batch)
      : cu_seqlens_(batch.cu_seqlens), selected_(batch.selected_tokens) {}

  /// The rows of sequences [begin, end), counted as they were appended.
  [[nodiscard]] RowRange rows(RowUnit unit, int64_t begin, int64_t end) const;
  /// All rows of an output.
  [[nodiscard]] int64_t total(RowUnit unit) const;

 private:
  /// Rows before sequence `sequence`.
  [[nodiscard]] int64_t before(RowUnit unit, int64_t sequence) const;

  std::span<const int32_t> cu_seqlens_;
  std::span<const int32_t> selected_;
};

/// The arrays of a PackedBatch, reused from batch to batch. Not thread-safe.
///
/// What some sequences bring and others leave out is filled in for those: type ids with 0,
/// positions counted from `first_position`, a selection with all tokens, keys with all of them,
/// tokens that are not pooled with none.
class BatchBuilder {
 public:
  /// `first_position` is BatchLimits::first_position of the engine.
  explicit BatchBuilder(int32_t first_position = 0) : first_position_(first_position) { clear(); }

  void clear();
  void append(const SequenceView& sequence);

  [[nodiscard]] int64_t tokens() const { return static_cast<int64_t>(input_ids_.size()); }
  [[nodiscard]] int64_t longest() const { return max_seqlen_; }
  [[nodiscard]] int64_t sequences() const { return static_cast<int64_t>(cu_seqlens_.size()) - 1; }
  /// Valid until the next clear() or append().
  [[nodiscard]] PackedBatch batch() const;

 private:
  void append_positions(const SequenceView& sequence);
  void append_selection(const SequenceView& sequence, int32_t first);
  void append_keys(const SequenceView& sequence);
  void count_positions(std::span<const int32_t> ids);

  int32_t first_position_;
  std::vector<int32_t> input_ids_;
  std::vector<int32_t> token_type_ids_;
  std::vector<int32_t> position_ids_;
  std::vector<int32_t> cu_seqlens_;
  std::vector<int32_t> selected_tokens_;
  std::vector<int32_t> key_lengths_;
  std::vector<int32_t> unpooled_;
  int32_t max_seqlen_ = 0;
};

/// Tokens that a batch costs: those it holds, or, for an engine that pads, its sequences times the
/// longest of them (EngineInfo::padded). A value type.
struct BatchCost {
  bool padded = false;
  int64_t sequences = 0;
  int64_t tokens = 0;
  int64_t longest = 0;

  void add(int64_t length) {
    ++sequences;
    tokens += length;
    longest = std::max(longest, length);
  }
  [[nodiscard]] int64_t value() const { return padded ? sequences * longest : tokens; }
  /// value() once a sequence of that length is added.
  [[nodiscard]] int64_t with(int64_t length) const {
    BatchCost more = *this;
    more.add(length);
    return more.value();
  }
};

}  // namespace tamis::engine
