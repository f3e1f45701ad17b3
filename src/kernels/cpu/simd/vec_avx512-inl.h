// Sixteen floats in one zmm register. The same names as vec_avx2-inl.h, the same bits.
//
// Is: for per-ISA files only; everything lies in an anonymous namespace, so that no other file's
// linker sees it. May use: immintrin.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define TAMIS_INLINE inline __attribute__((always_inline))
#define TAMIS_LAMBDA __attribute__((always_inline))

namespace tamis::kernels {
namespace {

constexpr int64_t kLanes = 16;

struct Vec {
  __m512 v;
};

TAMIS_INLINE __mmask16 first_lanes(int64_t n) {
  return static_cast<__mmask16>(n >= kLanes ? 0xffffu : (1u << n) - 1u);
}

TAMIS_INLINE Vec zero() { return {_mm512_setzero_ps()}; }
TAMIS_INLINE Vec set(float x) { return {_mm512_set1_ps(x)}; }
TAMIS_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
TAMIS_INLINE void store(float* p, Vec x) { _mm512_storeu_ps(p, x.v); }
// The first n (0 to 16) lanes; the others are zero, and their memory is not touched.
TAMIS_INLINE Vec load_first(const float* p, int64_t n) {
  return {_mm512_maskz_loadu_ps(first_lanes(n), p)};
}
TAMIS_INLINE void store_first(float* p, Vec x, int64_t n) {
  _mm512_mask_storeu_ps(p, first_lanes(n), x.v);
}
// Lanes from n on become `other`.
TAMIS_INLINE Vec keep_first(Vec x, int64_t n, Vec other) {
  return {_mm512_mask_mov_ps(other.v, first_lanes(n), x.v)};
}

TAMIS_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
TAMIS_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
TAMIS_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
TAMIS_INLINE Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
// a * b + c, and c - a * b, rounded once.
TAMIS_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
TAMIS_INLINE Vec fnma(Vec a, Vec b, Vec c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
// a * b - c, rounded once.
TAMIS_INLINE Vec fms(Vec a, Vec b, Vec c) { return {_mm512_fmsub_ps(a.v, b.v, c.v)}; }
TAMIS_INLINE float first_lane(Vec x) { return _mm512_cvtss_f32(x.v); }
// One number in every lane.
using Same = Vec;
TAMIS_INLINE Same same(const float* p) { return {_mm512_set1_ps(*p)}; }
// As vmaxps and vminps: b where either is NaN.
TAMIS_INLINE Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
TAMIS_INLINE Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
TAMIS_INLINE Vec square_root(Vec x) { return {_mm512_sqrt_ps(x.v)}; }
// x with its sign cleared; the sign of `sign` put on x, which has none.
TAMIS_INLINE Vec absolute(Vec x) { return {_mm512_abs_ps(x.v)}; }
TAMIS_INLINE Vec with_sign_of(Vec x, Vec sign) {
  return {_mm512_or_ps(x.v, _mm512_and_ps(sign.v, _mm512_set1_ps(-0.0f)))};
}
// Lanes 2 i and 2 i + 1 exchanged.
TAMIS_INLINE Vec swap_neighbors(Vec x) { return {_mm512_permute_ps(x.v, 0xb1)}; }
// a < b ? x : y
TAMIS_INLINE Vec where_less(Vec a, Vec b, Vec x, Vec y) {
  return {_mm512_mask_mov_ps(y.v, _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), x.v)};
}
// table[i], where the low bits of `magic` hold the integer i, 0 to 15.
TAMIS_INLINE Vec look_up(const float (&table)[16], Vec magic) {
  return {_mm512_permutexvar_ps(_mm512_castps_si512(magic.v), _mm512_loadu_ps(table))};
}
// Lane i: p[i * stride + indices[i]], below 2^31.
TAMIS_INLINE Vec gather(const float* p, const int32_t* indices, int64_t stride) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i begin = _mm512_mullo_epi32(lane, _mm512_set1_epi32(static_cast<int>(stride)));
  return {_mm512_i32gather_ps(_mm512_add_epi32(begin, _mm512_loadu_si512(indices)), p, 4)};
}
// x * 2^n, where the low bits of `magic` hold the integer n and the result is normal.
TAMIS_INLINE Vec add_exponent(Vec x, Vec magic) {
  const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(magic.v), 23);
  return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x.v), n))};
}

// The bits of integers that became bytes, or-ed, in 16 bits or in 32: NaN becomes the least
// integer.
struct SeenBits {
  __m512i words = _mm512_setzero_si512();
  [[nodiscard]] TAMIS_INLINE bool negative() const { return _mm512_movepi16_mask(words) != 0; }
};
// Rounded to the nearest, ties to even, held to 0..255. Of the second, only the first n bytes.
TAMIS_INLINE __m128i to_bytes(Vec x, SeenBits& seen) {
  const __m512i rounded = _mm512_cvtps_epi32(x.v);
  seen.words = _mm512_or_si512(seen.words, rounded);
  return _mm512_cvtusepi32_epi8(_mm512_max_epi32(rounded, _mm512_setzero_si512()));
}
TAMIS_INLINE void store_bytes(uint8_t* p, Vec x, SeenBits& seen) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), to_bytes(x, seen));
}
// The bytes of four vectors, 64 in a row.
TAMIS_INLINE void store_bytes_of_four(uint8_t* p, Vec a, Vec b, Vec c, Vec d, SeenBits& seen) {
  const __m512i ab = _mm512_packs_epi32(_mm512_cvtps_epi32(a.v), _mm512_cvtps_epi32(b.v));
  const __m512i cd = _mm512_packs_epi32(_mm512_cvtps_epi32(c.v), _mm512_cvtps_epi32(d.v));
  seen.words = _mm512_or_si512(seen.words, _mm512_or_si512(ab, cd));
  // Each 128-bit lane holds four bytes of a, of b, of c and of d.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  _mm512_storeu_si512(p, _mm512_permutexvar_epi32(order, _mm512_packus_epi16(ab, cd)));
}
TAMIS_INLINE void store_bytes_first(uint8_t* p, Vec x, int64_t n, SeenBits& seen) {
  _mm_mask_storeu_epi8(p, first_lanes(n), to_bytes(x, seen));
}

// bf16: the upper half of a float, rounded to nearest, ties to even; NaN stays NaN. Of the loads
// and stores, only the first n (0 to 16) values.
TAMIS_INLINE __m256i to_bf16(Vec x) {
  const __m512i bits = _mm512_castps_si512(x.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __mmask16 nan = _mm512_cmp_ps_mask(x.v, x.v, _CMP_UNORD_Q);
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_mov_epi32(rounded, nan, quiet), 16));
}
TAMIS_INLINE void store_bf16_first(uint16_t* p, Vec x, int64_t n) {
  _mm256_mask_storeu_epi16(p, first_lanes(n), to_bf16(x));
}
TAMIS_INLINE void store_bf16(uint16_t* p, Vec x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_bf16(x));
}
TAMIS_INLINE Vec load_bf16(const void* p) {
  const __m256i half = _mm256_loadu_si256(static_cast<const __m256i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16))};
}
TAMIS_INLINE Vec load_bf16_first(const uint16_t* p, int64_t n) {
  const __m256i half = _mm256_maskz_loadu_epi16(first_lanes(n), p);
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16))};
}

// IEEE half precision, rounded to nearest, ties to even, held to +-65504; NaN stays NaN.
TAMIS_INLINE __m256i to_f16(Vec x) {
  const Vec held = max(set(-65504.0f), min(set(65504.0f), x));
  return _mm512_cvtps_ph(held.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
TAMIS_INLINE void store_f16(uint16_t* p, Vec x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_f16(x));
}
TAMIS_INLINE void store_f16_first(uint16_t* p, Vec x, int64_t n) {
  _mm256_mask_storeu_epi16(p, first_lanes(n), to_f16(x));
}
TAMIS_INLINE Vec load_f16(const uint16_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
TAMIS_INLINE Vec load_f16_first(const uint16_t* p, int64_t n) {
  return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(n), p))};
}

// Brings a line that will be written; a hint that every CPU may take or leave.
TAMIS_INLINE void prefetch_for_write(const void* p) { __builtin_prefetch(p, 1, 3); }

// Lane i with lane i + 8, then + 4, + 2, + 1: a fixed tree.
TAMIS_INLINE float sum_lanes(Vec x) {
  const __m256 high = _mm512_extractf32x8_ps(x.v, 1);
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x.v), high);
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_shuffle_ps(four, four, 1)));
}
TAMIS_INLINE float max_lanes(Vec x) {
  const __m256 high = _mm512_extractf32x8_ps(x.v, 1);
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x.v), high);
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_shuffle_ps(four, four, 1)));
}

// g++ 12 moves accumulators about and spills some; this pins x to one register at this point.
TAMIS_INLINE void keep_in_register(Vec& x) { __asm__("" : "+v"(x.v)); }

// Rows and columns exchanged, in place.
TAMIS_INLINE void transpose(Vec (&x)[16]) {
  __m512 t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 4) {  // 4x4 blocks of rows i..i+3 within 128 bits
    const __m512 a = _mm512_unpacklo_ps(x[i].v, x[i + 1].v);
    const __m512 b = _mm512_unpackhi_ps(x[i].v, x[i + 1].v);
    const __m512 c = _mm512_unpacklo_ps(x[i + 2].v, x[i + 3].v);
    const __m512 d = _mm512_unpackhi_ps(x[i + 2].v, x[i + 3].v);
    t[i] = _mm512_shuffle_ps(a, c, 0x44);
    t[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
    t[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
    t[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {  // t[4 q + j] holds columns j, 4 + j, 8 + j, 12 + j of rows 4 q..
    const __m512 a = _mm512_shuffle_f32x4(t[j], t[4 + j], 0x88);
    const __m512 b = _mm512_shuffle_f32x4(t[j], t[4 + j], 0xdd);
    const __m512 c = _mm512_shuffle_f32x4(t[8 + j], t[12 + j], 0x88);
    const __m512 d = _mm512_shuffle_f32x4(t[8 + j], t[12 + j], 0xdd);
    x[j].v = _mm512_shuffle_f32x4(a, c, 0x88);
    x[4 + j].v = _mm512_shuffle_f32x4(b, d, 0x88);
    x[8 + j].v = _mm512_shuffle_f32x4(a, c, 0xdd);
    x[12 + j].v = _mm512_shuffle_f32x4(b, d, 0xdd);
  }
}

}  // namespace
}  // namespace tamis::kernels
