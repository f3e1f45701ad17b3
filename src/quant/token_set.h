// Several batches as one that owns its arrays.
#pragma once

#include <cstdint>
#include <span>

#include "engine/batch_builder.h"

namespace tamis::quant {

/// Whole sequences of `batches`, evenly spaced so that about `max_tokens` remain; at least one.
class TokenSet {
 public:
  TokenSet(std::span<const engine::PackedBatch> batches, int64_t max_tokens);

  [[nodiscard]] engine::PackedBatch batch() const { return builder_.batch(); }

 private:
  engine::BatchBuilder builder_;
};

}  // namespace tamis::quant
