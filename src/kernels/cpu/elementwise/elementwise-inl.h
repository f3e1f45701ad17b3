// Passes over contiguous floats, sixteen at a time.
//
// Is: for per-ISA files, included after simd/vec_<isa>-inl.h, all in an anonymous namespace.
#pragma once

#include "kernels/cpu/elementwise/elementwise.h"
#include "kernels/cpu/simd/glu-inl.h"
#include "kernels/cpu/simd/math-inl.h"

namespace tamis::kernels {
namespace {

void activate(Activation activation, int64_t n, const float* x, float* y) {
  with_activation(activation, [&](auto function) TAMIS_LAMBDA {
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) store(y + i, function(load(x + i)));
    store_first(y + i, function(load_first(x + i, n - i)), n - i);
  });
}

void add(int64_t n, const float* a, const float* b, float* y) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, load(a + i) + load(b + i));
  store_first(y + i, load_first(a + i, n - i) + load_first(b + i, n - i), n - i);
}

void multiply(int64_t n, const float* a, const float* b, float* y) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, load(a + i) * load(b + i));
  store_first(y + i, load_first(a + i, n - i) * load_first(b + i, n - i), n - i);
}

void scale(int64_t n, const float* x, float factor, float* y) {
  const Vec by = set(factor);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, load(x + i) * by);
  store_first(y + i, load_first(x + i, n - i) * by, n - i);
}

void glu_rows(const GluArgs& args) {
  for (int64_t i = 0; i < args.rows; ++i) {
    if (args.y != nullptr) {
      float* y = args.y + i * args.ldy;
      glu_row<false>(args, i, [&](int64_t j, int64_t count, Vec value) TAMIS_LAMBDA {
        store_count(y + j, value, count);
      });
      continue;
    }
    glu_row<true>(args, i, [&](int64_t j, int64_t count, Vec value) TAMIS_LAMBDA {
      if (args.y_bf16 != nullptr) {
        store_bf16_first(args.y_bf16 + i * args.ldy + j, value, count);
      } else {
        store_f16_first(args.y_f16 + i * args.ldy + j, value, count);
      }
    });
  }
}

void to_bf16_values(int64_t n, const float* x, uint16_t* y) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_bf16_first(y + i, load(x + i), kLanes);
  store_bf16_first(y + i, load_first(x + i, n - i), n - i);
}

}  // namespace
}  // namespace tamis::kernels
