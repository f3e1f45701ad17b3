// Sixteen int32 sums of products of u8 and s8 by the VEX-coded vpdpbusd.
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

constexpr int64_t kGroup = 4;  // k that lie together in packed B, and in four bytes of A
constexpr int64_t kColumnBytes = 16 * kGroup;
constexpr bool kWidenRows = false;  // A comes as uint8_t

TAMIS_INLINE Sum sum_zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
TAMIS_INLINE Columns load_columns(const char* p) {
  const auto* half = reinterpret_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(half), _mm256_loadu_si256(half + 1)};
}
TAMIS_INLINE SameGroup same_group(const void* p) {
  int group;
  __builtin_memcpy(&group, p, sizeof(group));
  return {_mm256_set1_epi32(group)};
}
TAMIS_INLINE Sum dot(SameGroup a, Columns b, Sum sum) {
  return {_mm256_dpbusd_avx_epi32(sum.lo, a.v, b.lo), _mm256_dpbusd_avx_epi32(sum.hi, a.v, b.hi)};
}
TAMIS_INLINE Vec to_float(Sum x) { return {_mm256_cvtepi32_ps(x.lo), _mm256_cvtepi32_ps(x.hi)}; }
TAMIS_INLINE void keep_in_register(Sum& x) { __asm__("" : "+x"(x.lo), "+x"(x.hi)); }

}  // namespace
}  // namespace tamis::kernels
