#include <algorithm>
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

void shift_ids(std::span<const int32_t> input_ids, std::span<const int32_t> cu_seqlens,
               int32_t first, int32_t padding_idx, std::span<int32_t> out) {
  for (size_t s = 0; s + 1 < cu_seqlens.size(); ++s) {
    const auto begin = static_cast<size_t>(cu_seqlens[s]);
    const auto ids = input_ids.subspan(begin, static_cast<size_t>(cu_seqlens[s + 1]) - begin);
    if (ids.empty()) continue;
    const auto count = static_cast<size_t>(
        std::ranges::count_if(ids, [padding_idx](int32_t id) { return id != padding_idx; }));
    out[begin] = first >= 0 ? first : ids[count == 0 ? 0 : count - 1];
    std::ranges::copy(ids.first(ids.size() - 1), out.begin() + static_cast<ptrdiff_t>(begin) + 1);
  }
}

int32_t last_place_of(std::span<const int32_t> ids, int32_t begin, int32_t end, int64_t token,
                      int64_t padding_idx) {
  if (begin == end) return -1;
  const bool by_token = token >= 0;
  for (int32_t place = end - 1; place >= begin; --place) {
    const int32_t id = ids[static_cast<size_t>(place)];
    if (by_token ? id == token : id != padding_idx) return place;
  }
  return by_token ? end - 1 : begin;
}

}  // namespace tamis::kernels::reference
