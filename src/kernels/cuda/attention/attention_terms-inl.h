// What positions add to a score, and the values that attention reads. For the two kernels.
#pragma once

#include "kernels/cuda/attention/attention.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/values-inl.h"

namespace tamis::cuda::device {

TAMIS_DEVICE int held(int x, int low, int high) { return x < low ? low : x > high ? high : x; }

TAMIS_DEVICE bool sees(const AttentionParams& p, int distance) {
  return distance >= -p.left && distance <= p.right;
}

TAMIS_DEVICE float bias_of(const AttentionParams& p, int head, int distance) {
  const int at = held(distance, -p.bias_reach, p.bias_reach) + p.bias_reach;
  return load_global(p.bias + head * (2 * p.bias_reach + 1) + at);
}

/// Keys [begin, end) that any of the queries at places first to last sees.
struct KeyRange {
  int begin;
  int end;
};
TAMIS_DEVICE KeyRange seen_keys(const AttentionParams& p, int keys, int first, int last) {
  const int begin = p.left < first ? first - p.left : 0;
  const int end = p.right < keys - 1 - last ? last + p.right + 1 : keys;
  return {begin, end};
}

/// A value as the products take it.
TAMIS_DEVICE float operand(const AttentionParams& p, Values from, int64_t at) {
  const float x = load_value(from, at);
  return p.rounded && from.stored == Stored::kF32 ? float_of_b16(b16_of(x)) : x;
}

}  // namespace tamis::cuda::device
