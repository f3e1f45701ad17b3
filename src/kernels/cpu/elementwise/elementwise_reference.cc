#include "base/bf16.h"
#include "kernels/cpu/elementwise/elementwise.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

namespace {

void activate(Activation activation, int64_t n, const float* x, float* y) {
  const auto count = static_cast<size_t>(n);
  reference::activate(activation, {x, count}, {y, count});
}

void add(int64_t n, const float* a, const float* b, float* y) {
  const auto count = static_cast<size_t>(n);
  reference::add({a, count}, {b, count}, {y, count});
}

void multiply(int64_t n, const float* a, const float* b, float* y) {
  const auto count = static_cast<size_t>(n);
  reference::multiply({a, count}, {b, count}, {y, count});
}

void scale(int64_t n, const float* x, float factor, float* y) {
  const auto count = static_cast<size_t>(n);
  reference::scale({x, count}, factor, {y, count});
}

void to_bf16(int64_t n, const float* x, uint16_t* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = float_to_bf16(x[i]);
}

}  // namespace

extern const ElementwiseKernel elementwise_reference;
const ElementwiseKernel elementwise_reference = {
    "elementwise_reference", activate, add, multiply, scale, to_bf16, reference::glu};

}  // namespace tamis::kernels
