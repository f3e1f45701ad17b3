// out = softmax(score) V for each sequence and head of a ragged batch, in float32.
//
// Is: attention within each sequence, over all of its keys or a window of them, with what positions
// add to the scores (AttentionTerms). Is not: cross attention. May use: nothing, so that per-ISA
// files can include it.
//
// Exactness. Products with keys and position tables are FMA chains over the head, contexts FMA
// chains over the keys, both in order, of blocks of 512 keys that are then added; the softmax adds
// in 16 lanes that are then summed as a fixed tree. Its numerators are exp(score), or, where a
// row's sum would lie outside [2^-60, 2^60], exp(score - greatest); |v| up to 2^60 cannot overflow.
// A key outside the window counts as exactly 0. All vector rows of kernels.inc give the same bits,
// and so does every way of splitting heads and query rows over workers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/reference/attention_args.h"

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

/// Thread-safe; each worker has its own scratch.
struct AttentionF32Kernel {
  const char* name;  // "attention_f32_avx512"
  /// Bytes of scratch, aligned to 64, that run() needs for sequences of at most `max_seqlen`.
  size_t (*scratch_bytes)(int64_t max_seqlen, int64_t head_size, const AttentionTerms& terms);
  void (*run)(const AttentionArgs& args, const AttentionWork& work, void* scratch);
};

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const AttentionF32Kernel& select_attention_f32(IsaSet isas);

}  // namespace tamis::kernels
