#include "kernels/reference/global_tokens.h"

#include <algorithm>

namespace tamis::kernels::reference {

TokenRange global_tokens(GlobalRule rule, int32_t separator, const int32_t* ids, int64_t count) {
  if (rule == GlobalRule::kNone || count == 0) return {};
  if (rule == GlobalRule::kFirst) return {0, 1};
  const int64_t place = std::find(ids, ids + count, separator) - ids;
  if (rule == GlobalRule::kThroughSeparator) return {0, place == count ? 1 : place + 1};
  if (place == count) return {};
  if (rule == GlobalRule::kBeforeSeparator) return {0, place};
  return {std::min(place + 2, count), count};
}

TokenRange global_keys(const AttentionTerms& terms, int64_t row, int64_t count) {
  const int32_t* ids = terms.ids == nullptr ? nullptr : terms.ids + row;
  return global_tokens(terms.global, terms.separator, ids, count);
}

}  // namespace tamis::kernels::reference
