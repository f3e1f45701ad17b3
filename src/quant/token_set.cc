#include "quant/token_set.h"

#include <algorithm>

namespace tamis::quant {

namespace {

// Missing optional ids of one batch beside others that have them would shift the rest.
void append(std::span<const int32_t> ids, int32_t begin, int32_t end, std::vector<int32_t>& out) {
  if (ids.empty()) return;
  out.insert(out.end(), ids.begin() + begin, ids.begin() + end);
}

}  // namespace

TokenSet::TokenSet(std::span<const runtime::PackedBatch> batches, int64_t max_tokens) {
  int64_t tokens = 0;
  bool types = false;
  for (const runtime::PackedBatch& batch : batches) {
    tokens += batch.tokens();
    types = types || !batch.token_type_ids.empty();
  }
  const double share =
      tokens == 0 ? 1.0
                  : std::min(1.0, static_cast<double>(max_tokens) / static_cast<double>(tokens));
  int64_t seen = 0;
  for (const runtime::PackedBatch& batch : batches) {
    for (size_t s = 0; s + 1 < batch.cu_seqlens.size(); ++s) {
      const int32_t begin = batch.cu_seqlens[s];
      const int32_t end = batch.cu_seqlens[s + 1];
      const auto due = static_cast<int64_t>(share * static_cast<double>(seen));
      seen += end - begin;
      if (cu_seqlens_.back() > due) continue;
      append(batch.input_ids, begin, end, input_ids_);
      append(batch.position_ids, begin, end, position_ids_);
      if (batch.token_type_ids.empty() && types) {
        token_type_ids_.resize(input_ids_.size(), 0);
      } else {
        append(batch.token_type_ids, begin, end, token_type_ids_);
      }
      cu_seqlens_.push_back(static_cast<int32_t>(input_ids_.size()));
      max_seqlen_ = std::max(max_seqlen_, end - begin);
    }
  }
}

runtime::PackedBatch TokenSet::batch() const {
  runtime::PackedBatch batch;
  batch.input_ids = input_ids_;
  batch.token_type_ids = token_type_ids_;
  batch.position_ids = position_ids_;
  batch.cu_seqlens = cu_seqlens_;
  batch.max_seqlen = max_seqlen_;
  return batch;
}

}  // namespace tamis::quant
