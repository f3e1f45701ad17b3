#include "kernels/reference/attention_blocks.h"

#include <cmath>

namespace tamis::kernels::reference {

SequenceBlocks sequence_blocks(const AttentionTerms& terms, int64_t count) {
  const int64_t size = terms.block_size;
  if (size == 0 || count <= (5 + 2 * terms.random_blocks) * size) return {};
  return {size, (count - 1) / size, std::log1p(static_cast<float>(terms.random_blocks))};
}

}  // namespace tamis::kernels::reference
