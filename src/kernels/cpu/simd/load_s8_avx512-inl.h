// Sixteen s8 as floats, on vec_avx512-inl.h. The same names as load_s8_avx2-inl.h.
//
// Is: for per-ISA files, included after vec_avx512-inl.h, all in an anonymous namespace.
#pragma once

namespace tamis::kernels {
namespace {

TAMIS_INLINE Vec load_s8(const int8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
}
// The first n (0 to 16); the others are zero, and their memory is not touched.
TAMIS_INLINE Vec load_s8_first(const int8_t* p, int64_t n) {
  const __m128i bytes = _mm_maskz_loadu_epi8(first_lanes(n), p);
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
}

}  // namespace
}  // namespace tamis::kernels
