// The tokens of a sequence that all of its queries see.
//
// Is: the rules of AttentionTerms::global. Is not: an attention. May use: attention_args.h.
// Source: transformers, models/longformer/modeling_longformer.py (_compute_global_attention_mask);
// models/big_bird/modeling_big_bird.py (prepare_question_mask)
#pragma once

#include <cstdint>

#include "kernels/reference/attention_args.h"

namespace tamis::kernels::reference {

/// Places [begin, end).
struct TokenRange {
  int64_t begin = 0;
  int64_t end = 0;
};

/// Of a sequence of `count` tokens; `ids` are its own, and are not read by rules that need none.
[[nodiscard]] TokenRange global_tokens(GlobalRule rule, int32_t separator, const int32_t* ids,
                                       int64_t count);

/// Of the sequence whose first token is `row` of the batch.
[[nodiscard]] TokenRange global_keys(const AttentionTerms& terms, int64_t row, int64_t count);

}  // namespace tamis::kernels::reference
