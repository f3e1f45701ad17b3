#include <algorithm>
#include <cmath>

#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

namespace {

// Pools one channel: x points at the first of `tokens.count` >= 1 values, `ldx` apart.
double pool(Pooling kind, const float* x, int64_t ldx, const PooledTokens& tokens) {
  const int64_t len = tokens.count;
  double sum = 0;
  double weighted = 0;
  double weights = 0;
  float greatest = x[0];
  double poison = 0;  // NaN where a token is not finite
  for (int64_t t = 0; t < len; ++t) {
    const float value = x[t * ldx];
    sum += value;
    const auto weight = static_cast<double>(tokens.place + t + 1);
    weighted += weight * value;
    weights += weight;
    greatest = std::max(greatest, value);
    poison += 0 * double{value};
  }
  const auto count = static_cast<double>(len);
  switch (kind) {
    case Pooling::kCls:
      return x[0];
    case Pooling::kMean:
      return sum / count;
    case Pooling::kMax:
      return greatest;
    case Pooling::kMeanSqrtLen:
      return sum / std::sqrt(count);
    case Pooling::kWeightedMean:
      return weighted / weights;
    case Pooling::kLastToken:
      return x[(len - 1) * ldx];
    case Pooling::kVocabulary:
      return std::log1p(std::max(greatest, 0.0f)) + poison;
  }
  return 0;
}

}  // namespace

void pooling(const PoolingArgs& args) {
  for (int64_t s = 0; s < args.sequences; ++s) {
    const PooledTokens tokens = pooled_tokens(args, s);
    const float* const x = args.x + tokens.begin * args.ldx;
    for (int64_t j = 0; j < args.width; ++j) {
      const double value = tokens.count == 0 ? 0 : pool(args.kind, x + j, args.ldx, tokens);
      args.y[s * args.ldy + j] = static_cast<float>(value);
    }
  }
}

}  // namespace tamis::kernels::reference
