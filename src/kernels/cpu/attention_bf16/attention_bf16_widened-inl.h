// What attention in bf16 multiplies where there is no bf16 dot product: bf16 widened to float32.
//
// Is: for per-ISA files, included after simd/vec_<isa>-inl.h, all in an anonymous namespace.
#pragma once

#include "kernels/cpu/simd/exp2-inl.h"
#include "kernels/cpu/simd/tile-inl.h"

namespace tamis::kernels {
namespace {

struct WidenedBf16 {
  static constexpr int64_t kPadding = kLanes;
  static constexpr int64_t words_of(int64_t n) { return n; }
  static bool multiplies_as_it_is(const AttentionOperand&, int64_t, int64_t) { return false; }

  template <int kRows, int kVecs>
  TAMIS_INLINE static void multiply(int64_t words, const char* a, int64_t lda, const char* b,
                                    Vec (&acc)[kRows][kVecs]) {
    const TileOperands operands = {words, reinterpret_cast<const float*>(a), lda / kWordBytes,
                                   reinterpret_cast<const float*>(b), nullptr};
    multiply_tile<kRows, kVecs, false>(operands, acc);
  }

  TAMIS_INLINE static Vec load_words(const AttentionOperand& operand, int64_t row, int64_t word,
                                     int64_t head_size) {
    return load_row(operand, row * operand.ld + word, at_most(head_size - word, kLanes));
  }
  template <int kVecs>
  TAMIS_INLINE static void load_values(const AttentionOperand& v, int64_t key, int64_t /*keys*/,
                                       int64_t column, int64_t count, Vec (&out)[kVecs]) {
#pragma GCC unroll 8
    for (int i = 0; i < kVecs; ++i) {
      out[i] = load_row(v, key * v.ld + column + i * kLanes, at_most(count - i * kLanes, kLanes));
    }
  }

  TAMIS_INLINE static Vec exp2(Vec t) { return kernels::exp2(t, kShortExp2); }
  // Returns `sum` and what was stored, vector after vector.
  template <int kVecs>
  TAMIS_INLINE static Vec store_probabilities(float* row, int64_t key, const Vec (&p)[kVecs],
                                              Vec sum) {
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) {
      const Vec x = rounded(p[v]);
      store(row + key + v * kLanes, x);
      sum = sum + x;
    }
    return sum;
  }

 private:
  // Veltkamp's split: x to the nearest of 8 bits.
  TAMIS_INLINE static Vec rounded(Vec x) {
    const Vec c = x * set(65537.0f);
    return c - (c - x);
  }

  // The first `count` of sixteen values, rounded; the others are zero.
  TAMIS_INLINE static Vec load_row(const AttentionOperand& operand, int64_t at, int64_t count) {
    uint16_t values[16] = {};
    if (operand.bf16 == nullptr) {
      store_bf16_first(values, load_first(operand.f32 + at, count), kLanes);
    } else if (count == kLanes) {
      return load_bf16(operand.bf16 + at);
    } else {
      for (int64_t i = 0; i < count; ++i) values[i] = operand.bf16[at + i];
    }
    return load_bf16(values);
  }
};

}  // namespace
}  // namespace tamis::kernels
