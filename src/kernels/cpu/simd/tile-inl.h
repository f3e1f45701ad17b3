// The register tile of a float32 product: kRows rows of A times kVecs * 16 packed columns of B.
//
// Is: the inner loop of gemm_f32 and attention_f32, for per-ISA files, included after
// vec_<isa>-inl.h, all in an anonymous namespace.
#pragma once

namespace tamis::kernels {
namespace {

struct TileOperands {
  int64_t k;
  const float* a;  // [kRows, k]
  int64_t lda;
  const float* b;         // [k, kVecs * 16]
  const float* prefetch;  // as many bytes as b, fetched into the L2 meanwhile; or null
};

// acc[i][v] = sum over p of a[i][p] * b[p][v], an FMA chain in the order of p.
template <int kRows, int kVecs, bool kPrefetch>
TAMIS_INLINE void multiply_tile(const TileOperands& operands, Vec (&acc)[kRows][kVecs]) {
  constexpr int64_t kColumns = kVecs * kLanes;
  // g++ 12 spills an accumulator of 6x1 when unrolled by four, of 12x2 when by two; clang 14 never.
  constexpr int kUnroll = kVecs == 1 ? 2 : 4;
  // A pointer for every third row: row i is bases[i / 3] + (i % 3) * lda, which x86 addresses
  // without a register of its own.
  constexpr int kBases = (kRows + 2) / 3;
  const float* bases[kBases];
#pragma GCC unroll 8
  for (int i = 0; i < kBases; ++i) bases[i] = operands.a + 3 * i * operands.lda;
  const float* b = operands.b;
  const float* prefetch = operands.prefetch;
  const int64_t lda = operands.lda;
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) acc[i][v] = zero();
  }
  const auto step = [&](int64_t p) TAMIS_LAMBDA {
    Vec columns[kVecs];
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) columns[v] = load(b + p * kColumns + v * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const Same x = same(bases[i / 3] + (i % 3) * lda + p);
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) acc[i][v] = fma(x, columns[v], acc[i][v]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) keep_in_register(acc[i][v]);
    }
    if (kPrefetch) {
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) {
        __builtin_prefetch(prefetch + p * kColumns + v * kLanes, 0, 2);
      }
    }
  };
  const int64_t whole = operands.k / kUnroll;
  for (int64_t q = 0; q < whole; ++q) {
#pragma GCC unroll 4
    for (int u = 0; u < kUnroll; ++u) step(u);
    b += kUnroll * kColumns;
    if (kPrefetch) prefetch += kUnroll * kColumns;
#pragma GCC unroll 8
    for (int i = 0; i < kBases; ++i) bases[i] += kUnroll;
  }
  for (int64_t p = 0; p < operands.k - whole * kUnroll; ++p) step(p);
}

}  // namespace
}  // namespace tamis::kernels
