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

void scale(int64_t n, const float* x, float factor, float* y) {
  const auto count = static_cast<size_t>(n);
  reference::scale({x, count}, factor, {y, count});
}

}  // namespace

extern const ElementwiseKernel elementwise_reference;
const ElementwiseKernel elementwise_reference = {"elementwise_reference", activate, add, scale};

}  // namespace tamis::kernels
