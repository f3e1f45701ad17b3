// Sixteen int32 sums of products of u8 and s8, without VNNI: both widen to 16 bits and vpmaddwd
// adds pairs. Nothing saturates: 2 * 255 * 127 fits 17 bits and is summed in 32.
//
// Is: for per-ISA files, included after vec_avx512-inl.h, all in an anonymous namespace.
#pragma once

namespace tamis::kernels {
namespace {

struct IntVec {
  __m512i v;
};
using Bytes = IntVec;      // packed B of sixteen columns
using SameBytes = IntVec;  // one row's k group in every lane

constexpr int64_t kGroup = 2;      // k that lie together in packed B
constexpr bool kWidenRows = true;  // A comes as uint16_t

TAMIS_INLINE IntVec int_zero() { return {_mm512_setzero_si512()}; }
TAMIS_INLINE Bytes load_bytes(const int8_t* p) {
  return {_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
TAMIS_INLINE SameBytes same_bytes(const void* p) {
  int group;
  __builtin_memcpy(&group, p, sizeof(group));
  return {_mm512_set1_epi32(group)};
}
TAMIS_INLINE IntVec dot(SameBytes a, Bytes b, IntVec sum) {
  return {_mm512_add_epi32(sum.v, _mm512_madd_epi16(a.v, b.v))};
}
TAMIS_INLINE Vec to_float(IntVec x) { return {_mm512_cvtepi32_ps(x.v)}; }
TAMIS_INLINE void keep_in_register(IntVec& x) { __asm__("" : "+v"(x.v)); }

}  // namespace
}  // namespace tamis::kernels
