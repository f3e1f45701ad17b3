#include <algorithm>
#include <cstddef>

#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

void token_dropout(std::span<const int32_t> ids, std::span<const int32_t> cu_seqlens, int32_t mask,
                   float kept, std::span<float> out) {
  for (size_t s = 0; s + 1 < cu_seqlens.size(); ++s) {
    const auto begin = static_cast<size_t>(cu_seqlens[s]);
    const auto tokens = ids.subspan(begin, static_cast<size_t>(cu_seqlens[s + 1]) - begin);
    const auto masks = static_cast<float>(std::ranges::count(tokens, mask));
    const float share = masks / static_cast<float>(tokens.size());
    const float factor = kept / (1 - share);
    for (size_t t = 0; t < tokens.size(); ++t) {
      out[begin + t] = tokens[t] == mask ? 0 * factor : factor;
    }
  }
}

}  // namespace tamis::kernels::reference
