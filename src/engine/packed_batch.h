// What a run takes: the tokens of several sequences one behind the other, without padding.
//
// Is: borrowed arrays, their limits and their check. Is not: made here (batch_builder.h). May use:
// nothing of graph, so that tasks can include it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tamis::engine {

/// Rows for a graph's input of dtype F32.
struct FloatInput {
  std::string_view name;
  const float* rows = nullptr;  ///< [T, n]
};

/// Borrows its arrays. Names are flash-attention's.
struct PackedBatch {
  std::span<const int32_t> input_ids;       ///< [T]
  std::span<const int32_t> token_type_ids;  ///< [T], or empty: 0 everywhere
  std::span<const int32_t> position_ids;    ///< [T], or empty: the family's rule
  std::span<const int32_t> cu_seqlens;      ///< [B + 1], from 0 to T, never falling
  /// Rising indices of the tokens whose rows a masked-word head computes; empty: all.
  std::span<const int32_t> selected_tokens;
  int32_t max_seqlen = 0;
  /// For graphs that start from inner values: one for each input of dtype F32.
  std::span<const FloatInput> float_inputs = {};
  /// [B], or empty: of each sequence the first so many tokens are what its tokens attend to, and no
  /// token sees those behind them (ColBERT's filled up queries).
  std::span<const int32_t> key_lengths = {};
  /// [B], or empty: of each sequence the first so many tokens are left out of the pooling (prompts,
  /// where 1_Pooling says include_prompt: false).
  std::span<const int32_t> unpooled = {};

  [[nodiscard]] int64_t sequences() const { return static_cast<int64_t>(cu_seqlens.size()) - 1; }
  [[nodiscard]] int64_t tokens() const { return static_cast<int64_t>(input_ids.size()); }
  [[nodiscard]] int64_t selected() const {
    return selected_tokens.empty() ? tokens() : static_cast<int64_t>(selected_tokens.size());
  }
};

/// What the rows of an output stand for.
enum class RowUnit : uint8_t {
  kSequence,
  kToken,
  kSelectedToken,  ///< PackedBatch::selected_tokens, all tokens if empty
};

/// What an engine's tables allow; 0 where there is no such table.
struct BatchLimits {
  int64_t vocab_size = 0;
  int64_t type_vocab_size = 0;
  int64_t position_rows = 0;     ///< rows of the position table
  int64_t first_position = 0;    ///< the position id of a sequence's first token
  int64_t max_seqlen = 1 << 20;  ///< the longest sequence a run takes
  /// Tokens of a sequence behind its key length at most; 0: the attention sees all.
  int64_t unseen_tokens = 1 << 20;
  bool leaves_out_tokens = true;  ///< false: what it pools, it pools over all tokens
  /// What a token sees of another depends on how far apart they stand in the sequence (biases by
  /// distance, windows, convolutions), and not on their position ids alone.
  bool counts_distances = false;
  /// A token that each sequence has, as the row of the last one answers for it; -1: none.
  int64_t required_token = -1;
};

/// Throws Error{kInvalidArgument}: no sequences, lengths that do not add up, a sequence that is too
/// long, an id outside its table, a sequence without the token that it must have.
void check_batch(const PackedBatch& batch, const BatchLimits& limits);

/// Ids that are drawn, not a text's, get the token that they must have at their end.
void end_as_required(std::span<int32_t> ids, const BatchLimits& limits);

}  // namespace tamis::engine
