#include "engines/cpu/word_rows.h"

#include <algorithm>

namespace tamis::engines::cpu {

namespace {

bool are_selected(const StepContext& context, graph::Symbol symbol) {
  return symbol == graph::Symbol::kSelected && context.selected_tokens != nullptr;
}

}  // namespace

Share WordRows::of_sequence(const StepContext& context, int64_t sequence) const {
  const int32_t begin = context.cu_seqlens[sequence];
  const int32_t end = context.cu_seqlens[sequence + 1];
  if (!are_selected(context, symbol_)) return {begin, end};
  const int32_t* const first = context.selected_tokens;
  const int32_t* const last = first + context.block->selected();
  return {std::lower_bound(first, last, begin) - first, std::lower_bound(first, last, end) - first};
}

bool WordRows::is_label(const StepContext& context, int64_t sequence, int64_t row) const {
  const int64_t token = are_selected(context, symbol_) ? context.selected_tokens[row] : row;
  const int64_t at = behind_token_ ? token - 1 : token;
  return at >= context.cu_seqlens[sequence] &&
         context.value<const int32_t>(ids_)[at] == label_token_;
}

}  // namespace tamis::engines::cpu
