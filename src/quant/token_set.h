// Several batches as one that owns its arrays.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/batch.h"

namespace tamis::quant {

/// Whole sequences of `batches`, evenly spaced so that about `max_tokens` remain; at least one.
class TokenSet {
 public:
  TokenSet(std::span<const runtime::PackedBatch> batches, int64_t max_tokens);

  [[nodiscard]] runtime::PackedBatch batch() const;

 private:
  std::vector<int32_t> input_ids_;
  std::vector<int32_t> token_type_ids_;
  std::vector<int32_t> position_ids_;
  std::vector<int32_t> cu_seqlens_ = {0};
  int32_t max_seqlen_ = 0;
};

}  // namespace tamis::quant
