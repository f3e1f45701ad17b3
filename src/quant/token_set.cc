#include "quant/token_set.h"

#include <algorithm>

namespace tamis::quant {

namespace {

// The part of an array that is a sequence's; none of an array that is left out.
std::span<const int32_t> part(std::span<const int32_t> ids, size_t begin, size_t count) {
  return ids.empty() ? ids : ids.subspan(begin, count);
}

}  // namespace

TokenSet::TokenSet(std::span<const engine::PackedBatch> batches, int64_t max_tokens) {
  int64_t tokens = 0;
  for (const engine::PackedBatch& batch : batches) tokens += batch.tokens();
  const double share =
      tokens == 0 ? 1.0
                  : std::min(1.0, static_cast<double>(max_tokens) / static_cast<double>(tokens));
  int64_t seen = 0;
  for (const engine::PackedBatch& batch : batches) {
    for (size_t s = 0; s + 1 < batch.cu_seqlens.size(); ++s) {
      const auto begin = static_cast<size_t>(batch.cu_seqlens[s]);
      const size_t count = static_cast<size_t>(batch.cu_seqlens[s + 1]) - begin;
      const auto due = static_cast<int64_t>(share * static_cast<double>(seen));
      seen += static_cast<int64_t>(count);
      if (builder_.tokens() > due) continue;
      builder_.append({part(batch.input_ids, begin, count),
                       part(batch.token_type_ids, begin, count),
                       part(batch.position_ids, begin, count),
                       {},
                       batch.key_lengths.empty() ? 0 : batch.key_lengths[s],
                       batch.unpooled.empty() ? 0 : batch.unpooled[s]});
    }
  }
}

}  // namespace tamis::quant
