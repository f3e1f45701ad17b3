// out = softmax(scale * Q K^T) V for each sequence and head of a ragged batch, in float32.
//
// Is: attention without mask, within each sequence. Is not: causal, cross or biased attention. May
// use: nothing, so that per-ISA files can include it.
//
// Exactness. Scores are FMA chains over the head, contexts FMA chains over the keys, both in order,
// of blocks of 512 keys that are then added; the softmax adds in 16 lanes that are then summed as a
// fixed tree. Its numerators are exp(scale * score), or, where a row's sum would lie outside
// [2^-60, 2^60], exp(scale * (score - greatest)); |v| up to 2^60 cannot overflow. All vector rows
// of kernels.inc give the same bits, and so does every way of splitting heads and query rows over
// workers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

/// Strides count elements from token to token; head h starts at column h * head_size. Token t of
/// sequence s is row cu_seqlens[s] + t. out may not overlap q, k or v.
struct AttentionArgs {
  const int32_t* cu_seqlens = nullptr;  // [sequences + 1], from 0, never falling
  int64_t sequences = 0;
  int64_t heads = 0;
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
};

/// One piece: query rows [row_begin, row_end) of one sequence, for heads [head_begin, head_end).
struct AttentionWork {
  int64_t sequence = 0;
  int64_t head_begin = 0;
  int64_t head_end = 0;
  int64_t row_begin = 0;
  int64_t row_end = 0;
};

/// Thread-safe; each worker has its own scratch.
struct AttentionF32Kernel {
  const char* name;  // "attention_f32_avx512"
  /// Bytes of scratch, aligned to 64, that run() needs for sequences of at most `max_seqlen`.
  size_t (*scratch_bytes)(int64_t max_seqlen, int64_t head_size);
  void (*run)(const AttentionArgs& args, const AttentionWork& work, void* scratch);
};

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const AttentionF32Kernel& select_attention_f32(IsaSet isas);

}  // namespace tamis::kernels
