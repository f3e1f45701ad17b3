#include <cstddef>

#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

void position_ids(std::span<const int32_t> cu_seqlens, std::span<int32_t> out) {
  for (size_t s = 0; s + 1 < cu_seqlens.size(); ++s) {
    const int32_t begin = cu_seqlens[s];
    for (int32_t t = begin; t < cu_seqlens[s + 1]; ++t) out[static_cast<size_t>(t)] = t - begin;
  }
}

void position_ids_roberta(std::span<const int32_t> input_ids, std::span<const int32_t> cu_seqlens,
                          int32_t padding_idx, std::span<int32_t> out) {
  for (size_t s = 0; s + 1 < cu_seqlens.size(); ++s) {
    int32_t seen = 0;
    for (auto t = static_cast<size_t>(cu_seqlens[s]); t < static_cast<size_t>(cu_seqlens[s + 1]);
         ++t) {
      const bool is_padding = input_ids[t] == padding_idx;
      if (!is_padding) ++seen;
      out[t] = is_padding ? padding_idx : padding_idx + seen;
    }
  }
}

}  // namespace tamis::kernels::reference
