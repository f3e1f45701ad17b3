// What attention by bf16 dot products multiplies: pairs of bf16.
//
// Is: for per-ISA files, included after simd/vec_avx512-inl.h and simd/dot_bf16_avx512_bf16-inl.h,
// all in an anonymous namespace.
#pragma once

#include "kernels/cpu/simd/dot_tile-inl.h"

namespace tamis::kernels {
namespace {

struct PairsOfBf16 {
  static constexpr int64_t kPadding = kLanes;
  static constexpr int64_t words_of(int64_t n) { return (n + 1) / 2; }

  // Pairs are read whole, so that odd heads are copied beside a zero.
  static bool multiplies_as_it_is(const AttentionOperand& q, int64_t head_size, int64_t /*rows*/) {
    return q.bf16 != nullptr && head_size % 2 == 0;
  }

  template <int kRows, int kVecs>
  TAMIS_INLINE static void multiply(int64_t words, const char* a, int64_t lda, const char* b,
                                    Vec (&acc)[kRows][kVecs]) {
    DotOperands operands = {};
    operands.groups = words;
    operands.a = a;
    operands.lda = lda;
    operands.b = b;
    multiply_dot_tile<kRows, kVecs, false>(operands, acc);
  }

  // Sixteen pairs of a row from pair `word` on, zeros behind the head.
  TAMIS_INLINE static Vec load_words(const AttentionOperand& operand, int64_t row, int64_t word,
                                     int64_t head_size) {
    return {_mm512_castsi512_ps(load_row(operand, row, 2 * word, head_size - 2 * word))};
  }

  // Pair `word` of the keys in each of the columns, the first key's in the low half.
  template <int kVecs>
  TAMIS_INLINE static void load_values(const AttentionOperand& v, int64_t word, int64_t keys,
                                       int64_t column, int64_t count, Vec (&out)[kVecs]) {
    static_assert(kVecs <= 2);
    const __m512i first = load_row(v, 2 * word, column, count);
    const __m512i second =
        2 * word + 1 < keys ? load_row(v, 2 * word + 1, column, count) : _mm512_setzero_si512();
    // Word 2 i is i of the first, 2 i + 1 is i of the second (32 on).
    __m512i order = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8,
                                     39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
#pragma GCC unroll 2
    for (int i = 0; i < kVecs; ++i) {
      out[i] = {_mm512_castsi512_ps(_mm512_permutex2var_epi16(first, order, second))};
      order = _mm512_add_epi16(order, _mm512_set1_epi16(16));
    }
  }

  // A cubic for 2^f, f in [0, 1), that is 1 at 0 and 2 at 1 (minimax otherwise, relative error
  // 2^-13.2), times 2^floor(t); infinity or 0 where that is beyond a float.
  TAMIS_INLINE static Vec exp2(Vec t) {
    const Vec f = {_mm512_reduce_ps(t.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
    Vec p = fma(set(0.07826797f), f, set(0.22630768f));
    p = fma(p, f, set(0.69542435f));
    p = fma(p, f, set(1.0f));
    return {_mm512_scalef_ps(p.v, t.v)};
  }

  // In the first half of the row. Returns `sum` and what was stored, pair by pair.
  TAMIS_INLINE static Vec store_probabilities(float* row, int64_t key, const Vec (&p)[2], Vec sum) {
    const __m512bh rounded = _mm512_cvtne2ps_pbh(p[1].v, p[0].v);
    _mm512_storeu_si512(reinterpret_cast<uint16_t*>(row) + key, (__m512i)rounded);
    return add_pairs(rounded, sum);
  }
  TAMIS_INLINE static Vec store_probabilities(float* row, int64_t key, const Vec (&p)[1], Vec sum) {
    const auto rounded = (__m256i)_mm512_cvtneps_pbh(p[0].v);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(reinterpret_cast<uint16_t*>(row) + key),
                        rounded);
    return add_pairs((__m512bh)_mm512_zextsi256_si512(rounded), sum);
  }

 private:
  TAMIS_INLINE static Vec add_pairs(__m512bh p, Vec sum) {
    const auto ones = (__m512bh)_mm512_set1_epi16(0x3f80);
    return {_mm512_dpbf16_ps(sum.v, p, ones)};
  }
  // The first `count` of 32 values of a row from `column` on; the others are zero.
  TAMIS_INLINE static __m512i load_row(const AttentionOperand& operand, int64_t row, int64_t column,
                                       int64_t count) {
    const int64_t at = row * operand.ld + column;
    if (operand.bf16 != nullptr) {
      const auto mask = static_cast<__mmask32>(count >= 32 ? 0xffffffffu : (1u << count) - 1u);
      return _mm512_maskz_loadu_epi16(mask, operand.bf16 + at);
    }
    const Vec low = load_first(operand.f32 + at, at_most(count, kLanes));
    const Vec high = count > kLanes
                         ? load_first(operand.f32 + at + kLanes, at_most(count - kLanes, kLanes))
                         : zero();
    return (__m512i)_mm512_cvtne2ps_pbh(high.v, low.v);
  }
};

}  // namespace
}  // namespace tamis::kernels
