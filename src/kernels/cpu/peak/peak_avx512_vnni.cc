#include <immintrin.h>

#include "kernels/cpu/peak/peak-inl.h"

namespace tamis::kernels {

double peak_int8_avx512_vnni(int64_t iterations, float* sink) {
  const __m512i x = _mm512_set1_epi8(3);
  const __m512i sum = repeat<16>(
      iterations, x, [x](__m512i acc) __attribute__((always_inline)) {
        return _mm512_dpbusd_epi32(acc, x, x);
      });
  *sink = static_cast<float>(_mm_cvtsi128_si32(_mm512_castsi512_si128(sum)));
  return static_cast<double>(iterations) * 16 * 64 * 2;
}

}  // namespace tamis::kernels
