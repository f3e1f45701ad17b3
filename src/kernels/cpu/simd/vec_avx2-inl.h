// Sixteen floats in two ymm registers. The same names as vec_avx512-inl.h, the same bits.
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
  __m256 lo;
  __m256 hi;
};

// All ones in the first n lanes of eight; n may lie outside 0 to 8.
TAMIS_INLINE __m256i first_eight(int64_t n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
}

TAMIS_INLINE Vec zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
TAMIS_INLINE Vec set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
TAMIS_INLINE Vec load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
TAMIS_INLINE void store(float* p, Vec x) {
  _mm256_storeu_ps(p, x.lo);
  _mm256_storeu_ps(p + 8, x.hi);
}
// The first n (0 to 16) lanes; the others are zero, and their memory is not touched.
TAMIS_INLINE Vec load_first(const float* p, int64_t n) {
  return {_mm256_maskload_ps(p, first_eight(n)), _mm256_maskload_ps(p + 8, first_eight(n - 8))};
}
TAMIS_INLINE void store_first(float* p, Vec x, int64_t n) {
  _mm256_maskstore_ps(p, first_eight(n), x.lo);
  _mm256_maskstore_ps(p + 8, first_eight(n - 8), x.hi);
}
// Lanes from n on become `other`.
TAMIS_INLINE Vec keep_first(Vec x, int64_t n, Vec other) {
  return {_mm256_blendv_ps(other.lo, x.lo, _mm256_castsi256_ps(first_eight(n))),
          _mm256_blendv_ps(other.hi, x.hi, _mm256_castsi256_ps(first_eight(n - 8)))};
}

TAMIS_INLINE Vec operator+(Vec a, Vec b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
TAMIS_INLINE Vec operator-(Vec a, Vec b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
TAMIS_INLINE Vec operator*(Vec a, Vec b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
TAMIS_INLINE Vec operator/(Vec a, Vec b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
// a * b + c, and c - a * b, rounded once.
TAMIS_INLINE Vec fma(Vec a, Vec b, Vec c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
TAMIS_INLINE Vec fnma(Vec a, Vec b, Vec c) {
  return {_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}
// a * b - c, rounded once.
TAMIS_INLINE Vec fms(Vec a, Vec b, Vec c) {
  return {_mm256_fmsub_ps(a.lo, b.lo, c.lo), _mm256_fmsub_ps(a.hi, b.hi, c.hi)};
}
TAMIS_INLINE float first_lane(Vec x) { return _mm256_cvtss_f32(x.lo); }
// One number in every lane, in half the registers of a Vec.
struct Same {
  __m256 v;
};
TAMIS_INLINE Same same(const float* p) { return {_mm256_broadcast_ss(p)}; }
TAMIS_INLINE Vec fma(Same a, Vec b, Vec c) {
  return {_mm256_fmadd_ps(a.v, b.lo, c.lo), _mm256_fmadd_ps(a.v, b.hi, c.hi)};
}
// As vmaxps and vminps: b where either is NaN.
TAMIS_INLINE Vec max(Vec a, Vec b) {
  return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
TAMIS_INLINE Vec min(Vec a, Vec b) {
  return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
TAMIS_INLINE Vec square_root(Vec x) { return {_mm256_sqrt_ps(x.lo), _mm256_sqrt_ps(x.hi)}; }
// x with its sign cleared; the sign of `sign` put on x, which has none.
TAMIS_INLINE Vec absolute(Vec x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, x.lo), _mm256_andnot_ps(sign, x.hi)};
}
TAMIS_INLINE Vec with_sign_of(Vec x, Vec sign) {
  const __m256 bit = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(x.lo, _mm256_and_ps(sign.lo, bit)),
          _mm256_or_ps(x.hi, _mm256_and_ps(sign.hi, bit))};
}
// Lanes 2 i and 2 i + 1 exchanged.
TAMIS_INLINE Vec swap_neighbors(Vec x) {
  return {_mm256_permute_ps(x.lo, 0xb1), _mm256_permute_ps(x.hi, 0xb1)};
}
// a < b ? x : y
TAMIS_INLINE Vec where_less(Vec a, Vec b, Vec x, Vec y) {
  return {_mm256_blendv_ps(y.lo, x.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ)),
          _mm256_blendv_ps(y.hi, x.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ))};
}
TAMIS_INLINE __m256 look_up_eight(const float (&table)[16], __m256 magic) {
  const __m256i i = _mm256_castps_si256(magic);
  const __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), i);
  const __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), i);
  return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(i, 28)));
}
// table[i], where the low bits of `magic` hold the integer i, 0 to 15.
TAMIS_INLINE Vec look_up(const float (&table)[16], Vec magic) {
  return {look_up_eight(table, magic.lo), look_up_eight(table, magic.hi)};
}
TAMIS_INLINE __m256 gather_eight(const float* p, const int32_t* indices, int64_t stride) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i begin = _mm256_mullo_epi32(lane, _mm256_set1_epi32(static_cast<int>(stride)));
  const __m256i index = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(indices));
  return _mm256_i32gather_ps(p, _mm256_add_epi32(begin, index), 4);
}
// Lane i: p[i * stride + indices[i]], below 2^31.
TAMIS_INLINE Vec gather(const float* p, const int32_t* indices, int64_t stride) {
  return {gather_eight(p, indices, stride), gather_eight(p + 8 * stride, indices + 8, stride)};
}
TAMIS_INLINE __m256 add_exponent_eight(__m256 x, __m256 magic) {
  const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(magic), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), n));
}
// x * 2^n, where the low bits of `magic` hold the integer n and the result is normal.
TAMIS_INLINE Vec add_exponent(Vec x, Vec magic) {
  return {add_exponent_eight(x.lo, magic.lo), add_exponent_eight(x.hi, magic.hi)};
}

// The bits of integers that became bytes, or-ed: NaN becomes the least integer.
struct SeenBits {
  __m256i words = _mm256_setzero_si256();
  [[nodiscard]] TAMIS_INLINE bool negative() const {
    return (static_cast<uint32_t>(_mm256_movemask_epi8(words)) & 0xaaaaaaaau) != 0;
  }
};
// Rounded to the nearest, ties to even, held to 0..255. Of the second, only the first n bytes, a
// multiple of four.
TAMIS_INLINE __m128i to_bytes(Vec x, SeenBits& seen) {
  // packs gives words 0-3 of both halves, then 4-7; packus the same of its two.
  const __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(x.lo), _mm256_cvtps_epi32(x.hi));
  seen.words = _mm256_or_si256(seen.words, words);
  const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
  return _mm_packus_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1));
}
TAMIS_INLINE void store_bytes(uint8_t* p, Vec x, SeenBits& seen) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), to_bytes(x, seen));
}
// The bytes of four vectors, 64 in a row.
TAMIS_INLINE void store_bytes_of_four(uint8_t* p, Vec a, Vec b, Vec c, Vec d, SeenBits& seen) {
  store_bytes(p, a, seen);
  store_bytes(p + 16, b, seen);
  store_bytes(p + 32, c, seen);
  store_bytes(p + 48, d, seen);
}
TAMIS_INLINE void store_bytes_first(uint8_t* p, Vec x, int64_t n, SeenBits& seen) {
  const __m128i lane = _mm_setr_epi32(0, 4, 8, 12);
  const __m128i mask = _mm_cmpgt_epi32(_mm_set1_epi32(static_cast<int>(n)), lane);
  _mm_maskstore_epi32(reinterpret_cast<int*>(p), mask, to_bytes(x, seen));
}

TAMIS_INLINE __m256i to_bf16_eight(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
}
// bf16: the upper half of a float, rounded to nearest, ties to even; NaN stays NaN. Of the loads
// and stores, only the first n (0 to 16) values.
TAMIS_INLINE __m256i to_bf16(Vec x) {
  const __m256i words = _mm256_packus_epi32(to_bf16_eight(x.lo), to_bf16_eight(x.hi));
  return _mm256_permute4x64_epi64(words, 0xd8);
}
TAMIS_INLINE void store_bf16_first(uint16_t* p, Vec x, int64_t n) {
  if (n >= kLanes) return _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_bf16(x));
  alignas(32) uint16_t values[16];
  _mm256_store_si256(reinterpret_cast<__m256i*>(values), to_bf16(x));
  for (int64_t i = 0; i < n; ++i) p[i] = values[i];
}
TAMIS_INLINE void store_bf16(uint16_t* p, Vec x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_bf16(x));
}
TAMIS_INLINE Vec load_bf16(const void* p) {
  const auto* half = static_cast<const __m128i*>(p);
  const __m256i lo = _mm256_cvtepu16_epi32(_mm_loadu_si128(half));
  const __m256i hi = _mm256_cvtepu16_epi32(_mm_loadu_si128(half + 1));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(lo, 16)),
          _mm256_castsi256_ps(_mm256_slli_epi32(hi, 16))};
}
TAMIS_INLINE Vec load_bf16_first(const uint16_t* p, int64_t n) {
  uint16_t values[16] = {};
  for (int64_t i = 0; i < n && i < kLanes; ++i) values[i] = p[i];
  return load_bf16(values);
}

// IEEE half precision, rounded to nearest, ties to even, held to +-65504; NaN stays NaN.
TAMIS_INLINE __m256i to_f16(Vec x) {
  constexpr int kRounding = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  const Vec held = max(set(-65504.0f), min(set(65504.0f), x));
  return _mm256_setr_m128i(_mm256_cvtps_ph(held.lo, kRounding),
                           _mm256_cvtps_ph(held.hi, kRounding));
}
TAMIS_INLINE void store_f16(uint16_t* p, Vec x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_f16(x));
}
TAMIS_INLINE void store_f16_first(uint16_t* p, Vec x, int64_t n) {
  alignas(32) uint16_t values[16];
  _mm256_store_si256(reinterpret_cast<__m256i*>(values), to_f16(x));
  for (int64_t i = 0; i < n && i < kLanes; ++i) p[i] = values[i];
}
TAMIS_INLINE Vec load_f16(const uint16_t* p) {
  const auto* half = reinterpret_cast<const __m128i*>(p);
  return {_mm256_cvtph_ps(_mm_loadu_si128(half)), _mm256_cvtph_ps(_mm_loadu_si128(half + 1))};
}
TAMIS_INLINE Vec load_f16_first(const uint16_t* p, int64_t n) {
  uint16_t values[16] = {};
  for (int64_t i = 0; i < n && i < kLanes; ++i) values[i] = p[i];
  return load_f16(values);
}

// Brings a line that will be written; a hint that every CPU may take or leave.
TAMIS_INLINE void prefetch_for_write(const void* p) { __builtin_prefetch(p, 1, 3); }

// Lane i with lane i + 8, then + 4, + 2, + 1: a fixed tree.
TAMIS_INLINE float sum_lanes(Vec x) {
  const __m256 eight = _mm256_add_ps(x.lo, x.hi);
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_shuffle_ps(four, four, 1)));
}
TAMIS_INLINE float max_lanes(Vec x) {
  const __m256 eight = _mm256_max_ps(x.lo, x.hi);
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_shuffle_ps(four, four, 1)));
}

TAMIS_INLINE void transpose_eight(__m256 (&x)[8]) {
  __m256 t[8];
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {  // 4x4 blocks of rows i..i+3 within 128 bits
    const __m256 a = _mm256_unpacklo_ps(x[i], x[i + 1]);
    const __m256 b = _mm256_unpackhi_ps(x[i], x[i + 1]);
    const __m256 c = _mm256_unpacklo_ps(x[i + 2], x[i + 3]);
    const __m256 d = _mm256_unpackhi_ps(x[i + 2], x[i + 3]);
    t[i] = _mm256_shuffle_ps(a, c, 0x44);
    t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
    t[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
    t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    x[j] = _mm256_permute2f128_ps(t[j], t[4 + j], 0x20);
    x[4 + j] = _mm256_permute2f128_ps(t[j], t[4 + j], 0x31);
  }
}

// g++ 12 moves accumulators about and spills some; this pins x to one register at this point.
TAMIS_INLINE void keep_in_register(Vec& x) { __asm__("" : "+x"(x.lo), "+x"(x.hi)); }

// Rows and columns exchanged, in place.
TAMIS_INLINE void transpose(Vec (&x)[16]) {
  __m256 block[4][8];  // top left, top right, bottom left, bottom right
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    block[0][i] = x[i].lo;
    block[1][i] = x[i].hi;
    block[2][i] = x[8 + i].lo;
    block[3][i] = x[8 + i].hi;
  }
  for (auto& eight : block) transpose_eight(eight);
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    x[i] = {block[0][i], block[2][i]};
    x[8 + i] = {block[1][i], block[3][i]};
  }
}

}  // namespace
}  // namespace tamis::kernels
