// Pooling of one sequence, sixteen channels at a time.
//
// Is: for per-ISA files, included after simd/vec_<isa>-inl.h, all in an anonymous namespace.
#pragma once

#include "kernels/cpu/pooling/pooling.h"

namespace tamis::kernels {
namespace {

// Sixteen channels (`count` of them real) of the tokens of one sequence, which has at least one.
struct Channels {
  const float* x;
  int64_t ldx;
  int64_t tokens;
  int64_t place;  // of the first of them in the sequence
  int64_t count;

  TAMIS_INLINE Vec token(int64_t t) const {
    return count == kLanes ? load(x + t * ldx) : load_first(x + t * ldx, count);
  }
};

TAMIS_INLINE Vec sum_tokens(const Channels& channels) {
  Vec sum = zero();
  for (int64_t t = 0; t < channels.tokens; ++t) sum = sum + channels.token(t);
  return sum;
}

TAMIS_INLINE Vec weighted_sum_tokens(const Channels& channels) {
  Vec sum = zero();
  for (int64_t t = 0; t < channels.tokens; ++t) {
    sum = fma(set(static_cast<float>(channels.place + t + 1)), channels.token(t), sum);
  }
  return sum;
}

TAMIS_INLINE Vec max_tokens(const Channels& channels) {
  Vec greatest = channels.token(0);
  for (int64_t t = 1; t < channels.tokens; ++t) greatest = max(greatest, channels.token(t));
  return greatest;
}

// The greatest of the tokens and 0; NaN where a token is not finite, which max() would pass over.
TAMIS_INLINE Vec positive_max_tokens(const Channels& channels) {
  Vec greatest = zero();
  Vec poison = zero();
  for (int64_t t = 0; t < channels.tokens; ++t) {
    const Vec token = channels.token(t);
    greatest = max(greatest, token);
    poison = fma(token, zero(), poison);
  }
  return greatest + poison;
}

TAMIS_INLINE Vec pool(Pooling kind, const Channels& channels) {
  const auto tokens = static_cast<float>(channels.tokens);
  switch (kind) {
    case Pooling::kCls:
      return channels.token(0);
    case Pooling::kMean:
      return sum_tokens(channels) / set(tokens);
    case Pooling::kMax:
      return max_tokens(channels);
    case Pooling::kMeanSqrtLen:
      return sum_tokens(channels) / set(__builtin_sqrtf(tokens));
    case Pooling::kWeightedMean:
      return weighted_sum_tokens(channels) /
             set(tokens * (static_cast<float>(2 * channels.place) + tokens + 1) * 0.5f);
    case Pooling::kLastToken:
      return channels.token(channels.tokens - 1);
    case Pooling::kVocabulary:
      return positive_max_tokens(channels);
  }
  return zero();
}

void pooling(const PoolingArgs& args) {
  for (int64_t s = 0; s < args.sequences; ++s) {
    const PooledTokens tokens = pooled_tokens(args, s);
    for (int64_t j = 0; j < args.width; j += kLanes) {
      const int64_t count = args.width - j < kLanes ? args.width - j : kLanes;
      const Channels channels = {args.x + tokens.begin * args.ldx + j, args.ldx, tokens.count,
                                 tokens.place, count};
      const Vec value = tokens.count == 0 ? zero() : pool(args.kind, channels);
      store_first(args.y + s * args.ldy + j, value, count);
    }
    if (args.kind == Pooling::kVocabulary) log1p_values(args.width, args.y + s * args.ldy);
  }
}

}  // namespace
}  // namespace tamis::kernels
