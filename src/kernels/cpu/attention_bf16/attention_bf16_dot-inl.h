// What attention by bf16 dot products multiplies: pairs of bf16.
//
// Is: for per-ISA files, included after simd/vec_avx512-inl.h and simd/dot_bf16_avx512_bf16-inl.h,
// all in an anonymous namespace.
#pragma once

#include "kernels/cpu/simd/dot_tile-inl.h"

namespace tamis::kernels {
namespace {

struct PairsOfBf16 {
  static constexpr bool kPairsOfVectors = true;
  static constexpr int64_t words_of(int64_t n) { return (n + 1) / 2; }

  // Pairs are read whole, so that odd heads are copied beside a zero.
  static bool multiplies_as_it_is(const AttentionOperand& q, int64_t head_size) {
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
    const int64_t at = row * operand.ld + 2 * word;
    const int64_t left = head_size - 2 * word;
    if (operand.bf16 != nullptr) {
      const auto mask = static_cast<__mmask32>(left >= 32 ? 0xffffffffu : (1u << left) - 1u);
      return {_mm512_castsi512_ps(_mm512_maskz_loadu_epi16(mask, operand.bf16 + at))};
    }
    const Vec low = load_first(operand.f32 + at, left);
    const Vec high = left > kLanes ? load_first(operand.f32 + at + kLanes, left - kLanes) : zero();
    return {_mm512_castsi512_ps((__m512i)_mm512_cvtne2ps_pbh(high.v, low.v))};
  }

  // Pair `word` of the keys in each of sixteen columns: the first key's in the low half.
  TAMIS_INLINE static Vec value_words(const AttentionOperand& v, int64_t word, int64_t keys,
                                      int64_t column, int64_t count) {
    const __m256i first = load_row(v, 2 * word, column, count);
    const __m256i second =
        2 * word + 1 < keys ? load_row(v, 2 * word + 1, column, count) : _mm256_setzero_si256();
    const __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16);
    return {_mm512_castsi512_ps(_mm512_or_si512(_mm512_cvtepu16_epi32(first), high))};
  }

  // A cubic for 2^f, f in [0, 1), that is 1 at 0 and 2 at 1 (minimax otherwise, relative error
  // 2^-13.2), times 2^floor(t). Below 2^-126 the result is subnormal or 0.
  TAMIS_INLINE static Vec exp2_of_nonpositive(Vec t) {
    const Vec f = {_mm512_reduce_ps(t.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
    Vec p = fma(set(0.07826797f), f, set(0.22630768f));
    p = fma(p, f, set(0.69542435f));
    p = fma(p, f, set(1.0f));
    return {_mm512_scalef_ps(p.v, t.v)};
  }

  TAMIS_INLINE static void store_probabilities(float* row, int64_t j, Vec low, Vec high) {
    _mm512_storeu_si512(reinterpret_cast<uint16_t*>(row) + j,
                        (__m512i)_mm512_cvtne2ps_pbh(high.v, low.v));
  }
  TAMIS_INLINE static void store_probabilities(float* row, int64_t j, Vec p) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(reinterpret_cast<uint16_t*>(row) + j),
                        (__m256i)_mm512_cvtneps_pbh(p.v));
  }

 private:
  TAMIS_INLINE static __m256i load_row(const AttentionOperand& v, int64_t row, int64_t column,
                                       int64_t count) {
    const int64_t at = row * v.ld + column;
    if (v.bf16 != nullptr) return _mm256_maskz_loadu_epi16(first_lanes(count), v.bf16 + at);
    return (__m256i)_mm512_cvtneps_pbh(load_first(v.f32 + at, count).v);
  }
};

}  // namespace
}  // namespace tamis::kernels
