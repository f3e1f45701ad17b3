#include "kernels/reference/position_buckets.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace tamis::kernels::reference {

int64_t t5_bucket(int64_t distance, int64_t buckets, int64_t max_distance) {
  const int64_t half = buckets / 2;
  const int64_t exact = half / 2;
  const int64_t first = distance > 0 ? half : 0;
  const int64_t n = std::abs(distance);
  if (n < exact) return first + n;
  const auto ratio = static_cast<double>(max_distance) / static_cast<double>(exact);
  const float x = std::log(static_cast<float>(n) / static_cast<float>(exact)) /
                  static_cast<float>(std::log(ratio)) * static_cast<float>(half - exact);
  return first + std::min(exact + static_cast<int64_t>(x), half - 1);
}

namespace {

// Of a query's place less the key's.
int64_t log_bucket(int64_t relative, const DebertaSlots& slots) {
  const int64_t middle = slots.buckets / 2;
  const int64_t n = std::abs(relative);
  if (n <= middle) return relative;
  const auto last = static_cast<float>(static_cast<double>(slots.max_positions - 1) /
                                       static_cast<double>(middle));
  const float x = std::log(static_cast<float>(n) / static_cast<float>(middle)) / std::log(last) *
                  static_cast<float>(middle - 1);
  // Far beyond max_positions only the sign counts.
  const float bucket = std::min(std::ceil(x), static_cast<float>(slots.buckets));
  const int64_t size = static_cast<int64_t>(bucket) + middle;
  return relative < 0 ? -size : size;
}

}  // namespace

int64_t deberta_slot(int64_t distance, const DebertaSlots& slots) {
  const int64_t span = slots.span();
  const int64_t bucket = slots.buckets > 0 ? log_bucket(-distance, slots) : -distance;
  return std::clamp<int64_t>(bucket + span, 0, 2 * span - 1);
}

int64_t deberta_reach(const DebertaSlots& slots) {
  if (slots.buckets == 0) return slots.max_positions;
  // Doubling steps, as two buckets may be far apart behind max_positions.
  int64_t reach = slots.max_positions;
  while (deberta_slot(reach, slots) != 0) reach *= 2;
  return reach;
}

}  // namespace tamis::kernels::reference
