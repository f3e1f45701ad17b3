// The register tile of a product whose packed columns lie in groups of k: kRows rows of A times
// kVecs * 16 columns of B.
//
// Is: the inner loop of gemm_s8 and gemm_bf16, for per-ISA files, included after vec_<isa>-inl.h
// and a dot_<type>_<isa>-inl.h, which says what a group is; all in an anonymous namespace.
#pragma once

namespace tamis::kernels {
namespace {

TAMIS_INLINE int64_t groups_of(int64_t k) { return (k + kGroup - 1) / kGroup; }

struct DotOperands {
  int64_t groups;
  const char* a;  // [kRows] rows of groups of four bytes
  int64_t lda;    // bytes
  const char* b;
  const char* prefetch;  // lines to fetch into the L2 meanwhile, as many as b has or half; or null
  bool prefetch_half;
};

// acc[i][v] += sum over the groups. kPrefetch: lines fetched for every line of b, times two.
template <int kRows, int kVecs, int kPrefetch>
TAMIS_INLINE void multiply_dot_tile(const DotOperands& operands, Sum (&acc)[kRows][kVecs]) {
  constexpr int kUnroll = kVecs == 1 ? 2 : 4;
  constexpr int kLinesAhead = (kUnroll * kVecs * kColumnBytes / 64 * kPrefetch + 1) / 2;
  constexpr int kBases = (kRows + 2) / 3;  // as in tile-inl.h
  const char* bases[kBases];
#pragma GCC unroll 8
  for (int i = 0; i < kBases; ++i) bases[i] = operands.a + 3 * i * operands.lda;
  const char* b = operands.b;
  const char* prefetch = operands.prefetch;
  const int64_t lda = operands.lda;
  const auto step = [&](int64_t p) TAMIS_LAMBDA {
    Columns columns[kVecs];
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) columns[v] = load_columns(b + (p * kVecs + v) * kColumnBytes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const SameGroup x = same_group(bases[i / 3] + (i % 3) * lda + 4 * p);
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) acc[i][v] = dot(x, columns[v], acc[i][v]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) keep_in_register(acc[i][v]);
    }
  };
  const int64_t whole = operands.groups / kUnroll;
  for (int64_t q = 0; q < whole; ++q) {
#pragma GCC unroll 16
    for (int line = 0; line < kLinesAhead; ++line) __builtin_prefetch(prefetch + 64 * line, 0, 2);
    prefetch += 64 * kLinesAhead;
#pragma GCC unroll 4
    for (int u = 0; u < kUnroll; ++u) step(u);
    b += kUnroll * kVecs * kColumnBytes;
#pragma GCC unroll 8
    for (int i = 0; i < kBases; ++i) bases[i] += 4 * kUnroll;
  }
  for (int64_t p = 0; p < operands.groups - whole * kUnroll; ++p) step(p);
}

template <int kRows, int kVecs>
TAMIS_INLINE void multiply_prefetching(const DotOperands& operands, Sum (&acc)[kRows][kVecs]) {
  if (operands.prefetch == nullptr) {
    multiply_dot_tile<kRows, kVecs, 0>(operands, acc);
  } else if (operands.prefetch_half) {
    multiply_dot_tile<kRows, kVecs, 1>(operands, acc);
  } else {
    multiply_dot_tile<kRows, kVecs, 2>(operands, acc);
  }
}

// What the t-th of so many tiles of rows fetches of the next panel (null: there is none): half
// each, so that fetching takes as long as two tiles and a stream from memory is not asked for more
// than it gives.
TAMIS_INLINE const char* prefetched_half(const char* panel, int64_t panel_bytes, int64_t t) {
  return panel == nullptr || t > 1 ? nullptr : panel + t * (panel_bytes / 2 / 64 * 64);
}

}  // namespace
}  // namespace tamis::kernels
