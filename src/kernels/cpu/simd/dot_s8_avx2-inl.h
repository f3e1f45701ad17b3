// Sixteen int32 sums of products of u8 and s8, without VNNI: both widen to 16 bits and vpmaddwd
// adds pairs. Nothing saturates (vpmaddubsw would, at 2 * 255 * 127).
//
// Is: for per-ISA files, included after vec_avx2-inl.h, all in an anonymous namespace.
#pragma once

#include <cstdint>

namespace tamis::kernels {
namespace {

struct Sum {
  __m256i lo;
  __m256i hi;
};
using Columns = Sum;  // packed B of sixteen columns
struct SameGroup {    // one row's k group in every lane
  __m256i v;
};

constexpr int64_t kGroup = 2;  // k that lie together in packed B, and in four bytes of A
constexpr int64_t kColumnBytes = 16 * kGroup;
constexpr bool kWidenRows = true;  // A comes as uint16_t

TAMIS_INLINE Sum sum_zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
TAMIS_INLINE Columns load_columns(const char* p) {
  const auto* half = reinterpret_cast<const __m128i*>(p);
  return {_mm256_cvtepi8_epi16(_mm_loadu_si128(half)),
          _mm256_cvtepi8_epi16(_mm_loadu_si128(half + 1))};
}
TAMIS_INLINE SameGroup same_group(const void* p) {
  int group;
  __builtin_memcpy(&group, p, sizeof(group));
  return {_mm256_set1_epi32(group)};
}
// Sixteen bytes of A.
TAMIS_INLINE void widen_sixteen(const uint8_t* a, uint16_t* out) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(a));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_cvtepu8_epi16(bytes));
}
TAMIS_INLINE Sum dot(SameGroup a, Columns b, Sum sum) {
  return {_mm256_add_epi32(sum.lo, _mm256_madd_epi16(a.v, b.lo)),
          _mm256_add_epi32(sum.hi, _mm256_madd_epi16(a.v, b.hi))};
}
TAMIS_INLINE Vec to_float(Sum x) { return {_mm256_cvtepi32_ps(x.lo), _mm256_cvtepi32_ps(x.hi)}; }
TAMIS_INLINE void keep_in_register(Sum& x) { __asm__("" : "+x"(x.lo), "+x"(x.hi)); }

}  // namespace
}  // namespace tamis::kernels
