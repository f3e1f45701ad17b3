#include "math/probabilities.h"

#include <algorithm>
#include <cmath>

namespace tamis::math {

namespace {

// log(sum of exp(x)) for a non-empty x, without overflow.
double log_sum_exp(std::span<const float> x) {
  const double greatest = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (const float value : x) sum += std::exp(value - greatest);
  return greatest + std::log(sum);
}

}  // namespace

void softmax(std::span<float> x) {
  if (x.empty()) return;
  const double normalizer = log_sum_exp(x);
  for (float& value : x) value = static_cast<float>(std::exp(value - normalizer));
}

void sigmoid(std::span<float> x) {
  for (float& value : x) value = static_cast<float>(1 / (1 + std::exp(-double{value})));
}

void l2_normalize(std::span<float> x) {
  double sum = 0;
  for (const float value : x) sum += double{value} * value;
  const double length = std::max(std::sqrt(sum), 1e-12);
  for (float& value : x) value = static_cast<float>(value / length);
}

}  // namespace tamis::math
