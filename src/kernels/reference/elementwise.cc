#include <cstddef>

#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

void add(std::span<const float> a, std::span<const float> b, std::span<float> y) {
  for (size_t i = 0; i < y.size(); ++i) y[i] = a[i] + b[i];
}

void multiply(std::span<const float> a, std::span<const float> b, std::span<float> y) {
  for (size_t i = 0; i < y.size(); ++i) y[i] = a[i] * b[i];
}

void scale(std::span<const float> x, float factor, std::span<float> y) {
  for (size_t i = 0; i < y.size(); ++i) y[i] = x[i] * factor;
}

}  // namespace tamis::kernels::reference
