// Sums and greatest of many vectors' lanes at once, on vec_avx512-inl.h. The same names as
// reduce_avx2-inl.h, the same bits.
//
// Is: for per-ISA files, included after vec_avx512-inl.h, all in an anonymous namespace.
#pragma once

namespace tamis::kernels {
namespace {

constexpr bool kVecIsOneRegister = true;

struct Four {
  __m128 v;
};
TAMIS_INLINE void store(float* p, Four x) { _mm_storeu_ps(p, x.v); }

// Lane i of the result, for i < 4, is `combine` over the lanes of x[i]: lane j with j + 2, then +
// 1, within four lanes; then four lanes with those 8 on, then 4 on.
template <typename Combine>
TAMIS_INLINE Four over_lanes(const Vec (&x)[4], const Combine& combine) {
  __m512 pair[2];
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const Vec low = {_mm512_unpacklo_ps(x[2 * i].v, x[2 * i + 1].v)};
    const Vec high = {_mm512_unpackhi_ps(x[2 * i].v, x[2 * i + 1].v)};
    pair[i] = combine(low, high).v;
  }
  const Vec low = {_mm512_shuffle_ps(pair[0], pair[1], 0x44)};
  const Vec high = {_mm512_shuffle_ps(pair[0], pair[1], 0xee)};
  const Vec four = combine(low, high);
  const Vec eight = combine(four, Vec{_mm512_shuffle_f32x4(four.v, four.v, 0x4e)});
  const Vec all = combine(eight, Vec{_mm512_shuffle_f32x4(eight.v, eight.v, 0xb1)});
  return {_mm512_castps512_ps128(all.v)};
}

}  // namespace
}  // namespace tamis::kernels
