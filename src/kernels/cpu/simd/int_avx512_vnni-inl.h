// Sixteen int32 sums of products of u8 and s8 by vpdpbusd.
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

constexpr int64_t kGroup = 4;       // k that lie together in packed B
constexpr bool kWidenRows = false;  // A comes as uint8_t

TAMIS_INLINE IntVec int_zero() { return {_mm512_setzero_si512()}; }
TAMIS_INLINE Bytes load_bytes(const int8_t* p) { return {_mm512_loadu_si512(p)}; }
TAMIS_INLINE SameBytes same_bytes(const void* p) {
  int group;
  __builtin_memcpy(&group, p, sizeof(group));
  return {_mm512_set1_epi32(group)};
}
TAMIS_INLINE IntVec dot(SameBytes a, Bytes b, IntVec sum) {
  return {_mm512_dpbusd_epi32(sum.v, a.v, b.v)};
}
TAMIS_INLINE Vec to_float(IntVec x) { return {_mm512_cvtepi32_ps(x.v)}; }
TAMIS_INLINE void keep_in_register(IntVec& x) { __asm__("" : "+v"(x.v)); }

}  // namespace
}  // namespace tamis::kernels
