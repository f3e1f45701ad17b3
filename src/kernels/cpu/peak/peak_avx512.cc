#include <immintrin.h>

#include "kernels/cpu/peak/peak-inl.h"

namespace tamis::kernels {

double peak_fp32_avx512(int64_t iterations, float* sink) {
  const __m512 x = _mm512_set1_ps(0.5f);
  const __m512 sum = repeat<16>(
      iterations,
      x, [x](__m512 acc) __attribute__((always_inline)) { return _mm512_fmadd_ps(x, x, acc); });
  *sink = _mm512_cvtss_f32(sum);
  return static_cast<double>(iterations) * 16 * 16 * 2;
}

// Without VNNI the pairs widen to 16 bits first: vpmaddwd + vpaddd, 32 multiply-adds.
double peak_int8_avx512(int64_t iterations, float* sink) {
  const __m512i x = _mm512_set1_epi16(3);
  const __m512i sum = repeat<16>(
      iterations, x, [x](__m512i acc) __attribute__((always_inline)) {
        __m512i product = _mm512_madd_epi16(x, x);
        __asm__ volatile("" : "+v"(product));
        return _mm512_add_epi32(acc, product);
      });
  *sink = static_cast<float>(_mm_cvtsi128_si32(_mm512_castsi512_si128(sum)));
  return static_cast<double>(iterations) * 16 * 32 * 2;
}

}  // namespace tamis::kernels
