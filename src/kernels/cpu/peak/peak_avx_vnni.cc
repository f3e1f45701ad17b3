#include <immintrin.h>

#include "kernels/cpu/peak/peak-inl.h"

namespace tamis::kernels {

double peak_int8_avx_vnni(int64_t iterations, float* sink) {
  const __m256i x = _mm256_set1_epi8(3);
  const __m256i sum = repeat<12>(
      iterations, x, [x](__m256i acc) __attribute__((always_inline)) {
        return _mm256_dpbusd_avx_epi32(acc, x, x);
      });
  *sink = static_cast<float>(_mm256_extract_epi32(sum, 0));
  return static_cast<double>(iterations) * 12 * 32 * 2;
}

}  // namespace tamis::kernels
