// Sixteen s8 as floats, on vec_avx2-inl.h. The same names as load_s8_avx512-inl.h.
//
// Is: for per-ISA files, included after vec_avx2-inl.h, all in an anonymous namespace.
#pragma once

namespace tamis::kernels {
namespace {

TAMIS_INLINE Vec load_s8(const int8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
          _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
}
// The first n (0 to 16); the others are zero, and their memory is not touched.
TAMIS_INLINE Vec load_s8_first(const int8_t* p, int64_t n) {
  int8_t values[16] = {};
  for (int64_t i = 0; i < n && i < kLanes; ++i) values[i] = p[i];
  return load_s8(values);
}

}  // namespace
}  // namespace tamis::kernels
