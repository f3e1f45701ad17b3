// out = softmax(scale * Q K^T) V for each sequence and head of a ragged batch, operands in bf16.
//
// Is: attention_f32 for BF16 and INT8 plans. Is not: cross attention. May use: the contract of
// attention_f32, so that per-ISA files can include it.
//
// Maths. The operands of products are rounded to bf16, to nearest: q, k, v (exactly as they are
// where they come as bf16), the position tables that q and k are multiplied with, and p = c
// exp(scale * score), before its product with v; c is a constant of the row. Everything else is
// float32: the sums of both products, exp, the sum of a row's p as rounded, and the quotient out =
// sum of p v / sum of p, which is thus an average of v.
//
// Exactness. p before rounding is within 2^-12 of exp relatively. c is 1, or 1 / exp of the row's
// greatest where the row's sum would lie outside [2^-60, 2^60]; |v| up to 2^60 cannot overflow.
// Rows of kernels.inc with a bf16 dot product (avx512_bf16) add pairs as vdpbf16ps does
// (gemm_bf16.h), the others (avx2, avx512) widen and run FMA chains; within each of the two kinds
// all rows give the same bits, and so does every way of splitting heads and query rows over
// workers. The reference row sums in double, with c = 1 / exp of the greatest.
#pragma once

#include "kernels/cpu/attention_f32/attention_f32.h"

namespace tamis::kernels {

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

/// Thread-safe; each worker has its own scratch.
struct AttentionBf16Kernel {
  const char* name;  // "attention_bf16_avx512_bf16"
  /// Bytes of scratch, aligned to 64, that run() needs for sequences of at most `max_seqlen`.
  size_t (*scratch_bytes)(int64_t max_seqlen, int64_t head_size, const AttentionTerms& terms);
  void (*run)(const AttentionBf16Args& args, const AttentionWork& work, void* scratch);
};

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const AttentionBf16Kernel& select_attention_bf16(IsaSet isas);

}  // namespace tamis::kernels
