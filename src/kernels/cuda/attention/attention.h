// out = softmax(score) V within each sequence of a ragged batch.
//
// Is: what the GPU's two attentions are given: attention_b16, on mma.sync, for 16-bit operands,
// heads up to 128 and scores that positions add biases to, and attention_plain for all else. Is
// not: the kernels. May use: values.h,
// rows.h.
//
// Maths: that of kernels/cpu/attention_bf16 where operands are rounded and of attention_f32 where
// they are not, with the greatest score so far taken away before the exponential. Sums of products
// have an order of their own: |error| of a score <= (d + 2) eps sum|q||k| scale, eps = 2^-24, and
// p is rounded to 16 bits relative to that greatest.
#pragma once

#include <cstdint>

#include "kernels/cuda/rows/rows.h"
#include "kernels/cuda/values.h"

namespace tamis::cuda {

/// Up to kAttentionRows query rows of one sequence, and its keys.
struct AttentionTile {
  int32_t query_row = 0;
  int32_t queries = 0;
  int32_t key_row = 0;
  int32_t keys = 0;
};

inline constexpr int kAttentionRows = 64;
inline constexpr int kAttentionKeys = 64;  // of a step
inline constexpr int kAttentionThreads = 128;
inline constexpr int kMostHeadSize = 256;     // of attention_plain
inline constexpr int kMostHeadSizeB16 = 128;  // of attention_b16
// The kernels for larger ones have no register left for it.
inline constexpr int kMostHeadSizeTail = 96;

/// Device memory. Fields that kernels/reference/attention_args.h has too mean the same. Launch with
/// kAttentionThreads and a grid of (tiles, heads).
struct AttentionParams {
  const int32_t* tile_count = nullptr;  // [1]
  const AttentionTile* tiles = nullptr;
  const int32_t* places = nullptr;  // of each query row in its sequence
  int heads = 0;
  int group = 1;  // heads that share keys and values
  int head_size = 0;
  float scale = 1;
  int left = kAllKeys;
  int right = kAllKeys;
  const float* bias = nullptr;  // [heads, 2 * bias_reach + 1], or null
  int bias_reach = 0;
  const float* position_keys = nullptr;     // [any, ld_positions], or null
  const float* position_queries = nullptr;  // the same
  int ld_positions = 0;
  const int32_t* slots = nullptr;  // [2 * slot_reach + 1]
  int slot_reach = 0;
  /// Of each row of keys 1 where all queries see it, whatever their window; or null. Of
  /// attention_plain alone.
  const int32_t* seen_by_all = nullptr;
  /// Sequences longer than block_tokens in blocks (kernels/reference/attention_blocks.h), likewise;
  /// 0: none.
  int block_size = 0;
  int block_tokens = 0;
  float block_gain = 0;  // ln(1 + random blocks)
  bool rounded = false;  // operands and probabilities go through 16 bits
  Values q;              // [rows, ldq] from the first head's column on
  Values k;
  Values v;
  int ldq = 0;
  int ldk = 0;
  int ldv = 0;
  MutableValues out;  // [rows, heads * head_size]
  /// Rows of a tile that the block which finishes its last head quantizes; of attention_b16 for
  /// heads up to kMostHeadSizeTail.
  RowTail tail;

  static constexpr int kAllKeys = 1 << 30;
};

/// A row of keys is padded by 16 bytes, so that eight rows lie in eight groups of banks.
constexpr int attention_row_bytes(int head_size) { return head_size * 2 + 16; }
/// Keys and values are there twice where that fits, so that the next are copied meanwhile.
constexpr int attention_stages(int head_size) { return head_size <= 64 ? 2 : 1; }
constexpr int attention_shared_bytes(int head_size) {
  return (kAttentionRows + 2 * attention_stages(head_size) * kAttentionKeys) *
         attention_row_bytes(head_size);
}
/// A row of q, one of position rows, and probabilities of 32 keys for each of four warps.
inline constexpr int kAttentionPlainSharedBytes = 4 * (kMostHeadSize + 32) * 4;

}  // namespace tamis::cuda
