// What an attention kernel is given: a ragged batch, its heads, what positions add, and which piece
// of it to do.
//
// Is: the operands of one call, shared by the reference and the kernels of kernels/cpu. Is not: a
// kernel; the maths stand in the contract header of the family. May use: nothing, so that per-ISA
// files can include it.
#pragma once

#include <cstdint>

namespace tamis::kernels {

/// Which tokens of a sequence all queries see beside those of their window; neighbors always. They
/// follow from the ids: what Longformer's classes put in global_attention_mask.
enum class GlobalRule : uint8_t {
  kNone,
  kFirst,             ///< the first token
  kBeforeSeparator,   ///< those before the first separator; none where there is no separator
  kBehindSeparator,   ///< those from the second behind the first separator on; likewise
  kThroughSeparator,  ///< those up to the first separator, and it; the first token without one
};

/// What positions do to scores. A distance is a key's place in its sequence less the query's.
///
///   score = scale * (q k + q position_keys[slot] + k position_queries[slot]) + bias
///
/// Tables go by distance from -reach to reach; distances beyond count as the nearest of these.
struct AttentionTerms {
  static constexpr int64_t kAll = int64_t{1} << 40;

  int64_t left = kAll;          ///< keys before its own that a query sees, >= 0
  int64_t right = kAll;         ///< and behind; 0: causal
  const float* bias = nullptr;  ///< [heads, 2 * bias_reach + 1], finite; or null
  int64_t bias_reach = 0;
  /// Disentangled attention (DeBERTa): both or either; head h starts at column h * head_size.
  const float* position_keys = nullptr;     ///< [position_rows, ld_positions], or null
  const float* position_queries = nullptr;  ///< the same
  int64_t position_rows = 0;
  int64_t ld_positions = 0;
  /// Rows of these; never falling or never rising from one distance to the next.
  const int32_t* slots = nullptr;  ///< [2 * slot_reach + 1]
  int64_t slot_reach = 0;
  /// Of windows without a bias or position tables.
  GlobalRule global = GlobalRule::kNone;
  int32_t separator = 0;
  const int32_t* ids = nullptr;  ///< of the batch's tokens; read by the rules with a separator
  /// Long sequences in blocks of so many tokens (reference/attention_blocks.h), without windows,
  /// biases and position tables; 0: none.
  int64_t block_size = 0;
  int64_t random_blocks = 0;

  [[nodiscard]] constexpr bool windowed() const { return left < kAll || right < kAll; }
  /// True: a query sees keys around it alone, so that long sequences cost less than all pairs.
  [[nodiscard]] constexpr bool narrow() const { return windowed() && global == GlobalRule::kNone; }
  [[nodiscard]] constexpr bool disentangled() const {
    return position_keys != nullptr || position_queries != nullptr;
  }
  /// True: what is added to a score may depend on more than the distance.
  [[nodiscard]] constexpr bool by_pair() const {
    return disentangled() || global != GlobalRule::kNone || block_size != 0;
  }
  /// False: scores are scale * q k over all keys.
  [[nodiscard]] constexpr bool any() const {
    return windowed() || bias != nullptr || disentangled() || block_size != 0;
  }
};

/// Strides count elements from token to token; head h starts at column h * head_size, the keys and
/// values it reads at column h / (heads / kv_heads) * head_size. Token t of sequence s is row
/// cu_seqlens[s] + t. out may not overlap q, k or v.
struct AttentionArgs {
  const int32_t* cu_seqlens = nullptr;  // [sequences + 1], from 0, never falling
  int64_t sequences = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;   // divides heads; 0: as many
  int64_t head_size = 0;  // 1 to 256
  float scale = 1.0f;     // > 0; 1 where it is folded into Q
  const float* q = nullptr;
  int64_t ldq = 0;
  const float* k = nullptr;
  int64_t ldk = 0;
  const float* v = nullptr;
  int64_t ldv = 0;
  float* out = nullptr;
  int64_t ldo = 0;
  AttentionTerms terms;
};

/// One piece: query rows [row_begin, row_end) of one sequence, for heads [head_begin, head_end).
/// Row r of q and out is cu_seqlens[sequence] + r; its query's place in the sequence is r + shift.
struct AttentionWork {
  int64_t sequence = 0;
  int64_t head_begin = 0;
  int64_t head_end = 0;
  int64_t row_begin = 0;
  int64_t row_end = 0;
  int64_t shift = 0;
};

/// Rows of q, k or v: float32, or bf16 where that is given.
struct AttentionOperand {
  const float* f32 = nullptr;
  const uint16_t* bf16 = nullptr;
  int64_t ld = 0;  // elements from token to token
};

/// As AttentionArgs. The output may not overlap an operand.
struct AttentionBf16Args {
  const int32_t* cu_seqlens = nullptr;  // [sequences + 1], from 0, never falling
  int64_t sequences = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;   // divides heads; 0: as many
  int64_t head_size = 0;  // 1 to 256
  float scale = 1.0f;     // > 0; 1 where it is folded into Q
  AttentionOperand q;
  AttentionOperand k;
  AttentionOperand v;
  float* out = nullptr;
  uint16_t* out_bf16 = nullptr;  // where given, the result goes here, rounded, and not to out
  uint16_t* out_f16 = nullptr;   // the same in half precision, held to +-65504
  int64_t ldo = 0;               // of any
  AttentionTerms terms;
};

}  // namespace tamis::kernels
