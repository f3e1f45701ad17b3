// out = softmax(scale * Q K^T) V for each sequence and head of a ragged batch, operands in bf16.
//
// Is: attention_f32 for BF16 and INT8 plans. Is not: cross attention. May use: attention_args.h, so
// that per-ISA files can include it.
//
// Maths. The operands of products are rounded to bf16, to nearest: q, k, v (exactly as they are
// where they come as bf16), the position tables that q and k are multiplied with, and p = c
// exp(scale * score), before its product with v; c is a constant of the row. Everything else is
// float32: the sums of both products, exp, the sum of a row's p as rounded, and the quotient out =
// sum of p v / sum of p, which is thus an average of v.
//
// Exactness. p before rounding is within 2^-12 of exp relatively. c is 1, or 1 / exp of the row's
// greatest where the row's sum would lie outside [2^-60, 2^60]; |v| up to 2^60 cannot overflow.
// Rows of kernels.inc with a bf16 dot product (avx512_bf16) add pairs as vdpbf16ps does, amx adds
// 32 at a time as tdpbf16ps does (gemm_bf16.h), the others (avx2, avx512) widen and run FMA chains;
// within each of the three kinds all rows give the same bits, and so does every way of splitting
// heads and query rows over workers. The reference row sums in double, with c = 1 / exp of the
// greatest.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/reference/attention_args.h"

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

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
