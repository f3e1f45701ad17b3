// Sixteen int32 sums of products of u8 and s8, without VNNI: both widen to 16 bits and vpmaddwd
// adds pairs. Nothing saturates: 2 * 255 * 127 fits 17 bits and is summed in 32.
//
// Is: for per-ISA files, included after vec_avx512-inl.h, all in an anonymous namespace.
#pragma once

#include <cstdint>

namespace tamis::kernels {
namespace {

struct Sum {
  __m512i v;
};
using Columns = Sum;    // packed B of sixteen columns
using SameGroup = Sum;  // one row's k group in every lane

constexpr int64_t kGroup = 2;  // k that lie together in packed B, and in four bytes of A
constexpr int64_t kColumnBytes = 16 * kGroup;
constexpr bool kWidenRows = true;  // A comes as uint16_t

TAMIS_INLINE Sum sum_zero() { return {_mm512_setzero_si512()}; }
TAMIS_INLINE Columns load_columns(const char* p) {
  return {_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
TAMIS_INLINE SameGroup same_group(const void* p) {
  int group;
  __builtin_memcpy(&group, p, sizeof(group));
  return {_mm512_set1_epi32(group)};
}
// Sixteen bytes of A.
TAMIS_INLINE void widen_sixteen(const uint8_t* a, uint16_t* out) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_cvtepu8_epi16(bytes));
}
TAMIS_INLINE Sum dot(SameGroup a, Columns b, Sum sum) {
  return {_mm512_add_epi32(sum.v, _mm512_madd_epi16(a.v, b.v))};
}
TAMIS_INLINE Vec to_float(Sum x) { return {_mm512_cvtepi32_ps(x.v)}; }
TAMIS_INLINE void keep_in_register(Sum& x) { __asm__("" : "+v"(x.v)); }

}  // namespace
}  // namespace tamis::kernels
