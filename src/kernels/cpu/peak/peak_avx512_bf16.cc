#include <immintrin.h>

#include "kernels/cpu/peak/peak-inl.h"

namespace tamis::kernels {

double peak_bf16_avx512_bf16(int64_t iterations, float* sink) {
  const auto x = (__m512bh)_mm512_set1_epi16(0x3f00);  // 0.5
  const __m512 start = _mm512_setzero_ps();
  const __m512 sum = repeat<16>(
      iterations, start, [x](__m512 acc) __attribute__((always_inline)) {
        return _mm512_dpbf16_ps(acc, x, x);
      });
  *sink = _mm512_cvtss_f32(sum);
  return static_cast<double>(iterations) * 16 * 32 * 2;
}

}  // namespace tamis::kernels
