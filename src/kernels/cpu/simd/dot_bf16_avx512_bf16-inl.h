// Sixteen float sums of products of bf16 pairs by vdpbf16ps.
//
// Is: for per-ISA files, included after vec_avx512-inl.h, all in an anonymous namespace.
#pragma once

#include <cstdint>

namespace tamis::kernels {
namespace {

using Sum = Vec;
struct Columns {  // packed B of sixteen columns
  __m512bh v;
};
using SameGroup = Columns;  // one row's k group in every lane

constexpr int64_t kGroup = 2;  // k that lie together in packed B, and in four bytes of A
constexpr int64_t kColumnBytes = 64;
constexpr bool kWidenRows = false;  // A comes as bf16

TAMIS_INLINE Sum sum_zero() { return zero(); }
TAMIS_INLINE Columns load_columns(const char* p) { return {(__m512bh)_mm512_loadu_si512(p)}; }
TAMIS_INLINE SameGroup same_group(const void* p) {
  int group;
  __builtin_memcpy(&group, p, sizeof(group));
  return {(__m512bh)_mm512_set1_epi32(group)};
}
TAMIS_INLINE Sum dot(SameGroup a, Columns b, Sum sum) {
  return {_mm512_dpbf16_ps(sum.v, a.v, b.v)};
}

}  // namespace
}  // namespace tamis::kernels
