#include <immintrin.h>

#include "kernels/cpu/peak/peak-inl.h"

namespace tamis::kernels {

double peak_fp32_avx2(int64_t iterations, float* sink) {
  const __m256 x = _mm256_set1_ps(0.5f);
  const __m256 sum = repeat<12>(
      iterations,
      x, [x](__m256 acc) __attribute__((always_inline)) { return _mm256_fmadd_ps(x, x, acc); });
  *sink = _mm256_cvtss_f32(sum);
  return static_cast<double>(iterations) * 12 * 8 * 2;
}

// Without VNNI the pairs widen to 16 bits first: vpmaddwd + vpaddd, 16 multiply-adds.
double peak_int8_avx2(int64_t iterations, float* sink) {
  const __m256i x = _mm256_set1_epi16(3);
  const __m256i sum = repeat<12>(
      iterations, x, [x](__m256i acc) __attribute__((always_inline)) {
        __m256i product = _mm256_madd_epi16(x, x);
        __asm__ volatile("" : "+v"(product));
        return _mm256_add_epi32(acc, product);
      });
  *sink = static_cast<float>(_mm256_extract_epi32(sum, 0));
  return static_cast<double>(iterations) * 12 * 16 * 2;
}

}  // namespace tamis::kernels
