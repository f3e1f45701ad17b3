#include "engines/onnxruntime/pad_groups.h"

#include <algorithm>

namespace tamis::engines::onnxruntime {

std::vector<PadGroup> pad_groups(std::span<const int32_t> cu_seqlens, int64_t most_tokens,
                                 bool may_pad) {
  const int64_t most_ratio = may_pad ? 2 : 1;
  const auto length = [cu_seqlens](int32_t s) {
    return int64_t{cu_seqlens[static_cast<size_t>(s) + 1]} - cu_seqlens[static_cast<size_t>(s)];
  };
  std::vector<int32_t> order;
  for (int32_t s = 0; s + 1 < static_cast<int32_t>(cu_seqlens.size()); ++s) {
    if (length(s) > 0) order.push_back(s);
  }
  std::stable_sort(order.begin(), order.end(),
                   [length](int32_t a, int32_t b) { return length(a) > length(b); });
  std::vector<PadGroup> groups;
  for (const int32_t s : order) {
    const bool joins =
        !groups.empty() && most_ratio * length(s) >= groups.back().longest &&
        (static_cast<int64_t>(groups.back().sequences.size()) + 1) * groups.back().longest <=
            most_tokens;
    if (!joins) groups.push_back({{}, length(s)});
    groups.back().sequences.push_back(s);
  }
  return groups;
}

}  // namespace tamis::engines::onnxruntime
