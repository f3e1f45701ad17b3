// Sixteen int32 sums of products of u8 and s8, without VNNI: both widen to 16 bits and vpmaddwd
// adds pairs. Nothing saturates (vpmaddubsw would, at 2 * 255 * 127).
//
// Is: for per-ISA files, included after vec_avx2-inl.h, all in an anonymous namespace.
#pragma once

namespace tamis::kernels {
namespace {

struct IntVec {
  __m256i lo;
  __m256i hi;
};
using Bytes = IntVec;  // packed B of sixteen columns
struct SameBytes {     // one row's k group in every lane
  __m256i v;
};

constexpr int64_t kGroup = 2;      // k that lie together in packed B
constexpr bool kWidenRows = true;  // A comes as uint16_t

TAMIS_INLINE IntVec int_zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
TAMIS_INLINE Bytes load_bytes(const int8_t* p) {
  const auto* half = reinterpret_cast<const __m128i*>(p);
  return {_mm256_cvtepi8_epi16(_mm_loadu_si128(half)),
          _mm256_cvtepi8_epi16(_mm_loadu_si128(half + 1))};
}
TAMIS_INLINE SameBytes same_bytes(const void* p) {
  int group;
  __builtin_memcpy(&group, p, sizeof(group));
  return {_mm256_set1_epi32(group)};
}
TAMIS_INLINE IntVec dot(SameBytes a, Bytes b, IntVec sum) {
  return {_mm256_add_epi32(sum.lo, _mm256_madd_epi16(a.v, b.lo)),
          _mm256_add_epi32(sum.hi, _mm256_madd_epi16(a.v, b.hi))};
}
TAMIS_INLINE Vec to_float(IntVec x) { return {_mm256_cvtepi32_ps(x.lo), _mm256_cvtepi32_ps(x.hi)}; }
TAMIS_INLINE void keep_in_register(IntVec& x) { __asm__("" : "+x"(x.lo), "+x"(x.hi)); }

}  // namespace
}  // namespace tamis::kernels
