// Attention between blocks of tokens, as BigBird has it outside training.
//
// Is: which keys a query sees by their blocks, and what the first block's scores gain. Is not: an
// attention. May use: attention_args.h.
// Source: transformers, models/big_bird/modeling_big_bird.py (bigbird_block_sparse_attention)
#pragma once

#include <cstdint>

#include "kernels/reference/attention_args.h"

namespace tamis::kernels::reference {

/// Of one sequence. Its first block and its last, which may be shorter, see all and are seen by
/// all; of others a query sees its own and both neighbors. Random blocks are drawn in training
/// alone: outside of it each is the first block once more, so that its keys count 1 + random_blocks
/// times to a query of the blocks between.
struct SequenceBlocks {
  int64_t size = 0;  ///< 0: all see all, once
  int64_t last = 0;  ///< index of the last block
  float gain = 0;    ///< ln(1 + random_blocks)

  [[nodiscard]] bool between(int64_t place) const {
    return size != 0 && place >= size && place / size != last;
  }
  [[nodiscard]] bool sees(int64_t query, int64_t key) const {
    if (!between(query) || !between(key)) return true;
    const int64_t apart = key / size - query / size;
    return apart >= -1 && apart <= 1;
  }
  [[nodiscard]] float bias(int64_t query, int64_t key) const {
    return key < size && between(query) ? gain : 0;
  }
};

/// Of a sequence of `count` tokens: in blocks where it is longer than those of all kinds together,
/// the first, the last, three neighbors and two for each random one.
[[nodiscard]] SequenceBlocks sequence_blocks(const AttentionTerms& terms, int64_t count);

}  // namespace tamis::kernels::reference
