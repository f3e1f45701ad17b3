// Sixteen int32 sums of products of u8 and s8 by vpdpbusd.
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

constexpr int64_t kGroup = 4;  // k that lie together in packed B, and in four bytes of A
constexpr int64_t kColumnBytes = 16 * kGroup;
constexpr bool kWidenRows = false;  // A comes as uint8_t

TAMIS_INLINE Sum sum_zero() { return {_mm512_setzero_si512()}; }
TAMIS_INLINE Columns load_columns(const char* p) { return {_mm512_loadu_si512(p)}; }
TAMIS_INLINE SameGroup same_group(const void* p) {
  int group;
  __builtin_memcpy(&group, p, sizeof(group));
  return {_mm512_set1_epi32(group)};
}
TAMIS_INLINE Sum dot(SameGroup a, Columns b, Sum sum) {
  return {_mm512_dpbusd_epi32(sum.v, a.v, b.v)};
}
TAMIS_INLINE Vec to_float(Sum x) { return {_mm512_cvtepi32_ps(x.v)}; }
TAMIS_INLINE void keep_in_register(Sum& x) { __asm__("" : "+v"(x.v)); }

}  // namespace
}  // namespace tamis::kernels
