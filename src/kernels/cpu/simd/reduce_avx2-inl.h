// Sums and greatest of many vectors' lanes at once, on vec_avx2-inl.h. The same names as
// reduce_avx512-inl.h, the same bits.
//
// Is: for per-ISA files, included after vec_avx2-inl.h, all in an anonymous namespace.
#pragma once

namespace tamis::kernels {
namespace {

constexpr bool kVecIsOneRegister = false;

struct Four {
  __m128 v;
};
TAMIS_INLINE void store(float* p, Four x) { _mm_storeu_ps(p, x.v); }

// As in reduce_avx512-inl.h.
template <typename Combine>
TAMIS_INLINE Four over_lanes(const Vec (&x)[4], const Combine& combine) {
  Vec pair[2];
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const Vec& a = x[2 * i];
    const Vec& b = x[2 * i + 1];
    const Vec low = {_mm256_unpacklo_ps(a.lo, b.lo), _mm256_unpacklo_ps(a.hi, b.hi)};
    const Vec high = {_mm256_unpackhi_ps(a.lo, b.lo), _mm256_unpackhi_ps(a.hi, b.hi)};
    pair[i] = combine(low, high);
  }
  const Vec low = {_mm256_shuffle_ps(pair[0].lo, pair[1].lo, 0x44),
                   _mm256_shuffle_ps(pair[0].hi, pair[1].hi, 0x44)};
  const Vec high = {_mm256_shuffle_ps(pair[0].lo, pair[1].lo, 0xee),
                    _mm256_shuffle_ps(pair[0].hi, pair[1].hi, 0xee)};
  const Vec four = combine(low, high);
  // Only the low half is looked at from here on.
  const Vec eight = combine(four, Vec{four.hi, four.lo});
  const __m256 other = _mm256_permute2f128_ps(eight.lo, eight.lo, 0x01);
  return {_mm256_castps256_ps128(combine(eight, Vec{other, other}).lo)};
}

}  // namespace
}  // namespace tamis::kernels
