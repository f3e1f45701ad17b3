// The kernel of pooling.h: a thread a channel. For kernels.cu and tests.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/cuda/pooling/pooling.h"

namespace tamis::cuda::device {

class PoolingKernel {
 public:
  static constexpr bool kThreadsAlone = true;  // no thread waits for another

  static TAMIS_DEVICE void run(const PoolingParams& p) {
    const int column = block_y() * kPoolingThreads + thread_x();
    const int sequence = block_x();
    if (sequence >= load_global(p.sequences) || column >= p.width) return;
    const int begin = load_global(p.cu_seqlens + sequence);
    const int length = load_global(p.cu_seqlens + sequence + 1) - begin;
    int place = p.kind == Pooling::kVocabulary ? 0 : load_global(p.unpooled + sequence);
    if (place >= length && p.kind == Pooling::kCls) place = 0;
    const float* const x = p.x + static_cast<int64_t>(begin + place) * p.width + column;
    const PoolingKernel kernel{p, x, place, length - place};
    store_global(p.y + static_cast<int64_t>(sequence) * p.ldy + column,
                 place >= length ? 0.0f : kernel.pool());
  }

 private:
  TAMIS_DEVICE PoolingKernel(const PoolingParams& p, const float* x, int place, int tokens)
      : p_(p), x_(x), place_(place), tokens_(tokens) {}

  [[nodiscard]] TAMIS_DEVICE float token(int t) const {
    return load_global(x_ + static_cast<int64_t>(t) * p_.width);
  }

  [[nodiscard]] TAMIS_DEVICE float pool() const {
    const float count = to_float(tokens_);
    switch (p_.kind) {
      case Pooling::kCls:
        return token(0);
      case Pooling::kMean:
        return div_rn(sum(), count);
      case Pooling::kMax:
        return most();
      case Pooling::kMeanSqrtLen:
        return div_rn(sum(), sqrt_rn(count));
      case Pooling::kWeightedMean:
        return div_rn(weighted_sum(), weights(count));
      case Pooling::kLastToken:
        return token(tokens_ - 1);
      case Pooling::kVocabulary:
        return vocabulary();
    }
    return 0;
  }

  [[nodiscard]] TAMIS_DEVICE float sum() const {
    float all = 0;
    for (int t = 0; t < tokens_; ++t) all = add_rn(all, token(t));
    return all;
  }
  [[nodiscard]] TAMIS_DEVICE float weighted_sum() const {
    float all = 0;
    for (int t = 0; t < tokens_; ++t) all = fma_rn(to_float(place_ + t + 1), token(t), all);
    return all;
  }
  [[nodiscard]] TAMIS_DEVICE float weights(float count) const {
    const float ends = add_rn(add_rn(to_float(2 * place_), count), 1.0f);
    return mul_rn(mul_rn(count, ends), 0.5f);
  }
  [[nodiscard]] TAMIS_DEVICE float most() const {
    float greatest = token(0);
    for (int t = 1; t < tokens_; ++t) greatest = at_least(greatest, token(t));
    return greatest;
  }
  // NaN where a token is not finite, which a greatest would pass over. log(1 + x) = log(u) x / (u -
  // 1), u = 1 + x rounded, loses nothing to that rounding.
  [[nodiscard]] TAMIS_DEVICE float vocabulary() const {
    float greatest = 0;
    float poison = 0;
    for (int t = 0; t < tokens_; ++t) {
      greatest = at_least(greatest, token(t));
      poison = fma_rn(token(t), 0.0f, poison);
    }
    const float x = add_rn(greatest, poison);
    const float u = add_rn(1.0f, x);
    const float difference = sub_rn(u, 1.0f);
    if (difference == 0) return x;
    return mul_rn(mul_rn(log2_fast(u), 0.69314718f), div_rn(x, difference));
  }

  const PoolingParams& p_;
  const float* x_;
  int place_;  // of the first of them in the sequence
  int tokens_;
};

}  // namespace tamis::cuda::device
