// The kernel of gemm_s8.h. For kernels.cu and tests.
#pragma once

#include "kernels/cuda/gemm/gemm_tile-inl.h"
#include "kernels/cuda/gemm_s8/gemm_s8_results-inl.h"
#include "kernels/cuda/rows/row_tail-inl.h"

namespace tamis::cuda::device {

struct ProductS8 {
  using Sum = int32_t;
  static TAMIS_DEVICE void multiply(Sum (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    multiply_u8s8(d, a, b0, b1);
  }
};

template <GemmTile kTile, GemmActivation kActivation>
class GemmS8 {
  using Sums = TileProduct<kTile, ProductS8>;
  static constexpr int kThreads = kTile.threads();
  static constexpr int kDown = kTile.warp_rows / 16;
  static constexpr int kAcross = Sums::kOwnAcross;
  using OfSums = ResultsS8<kDown, kAcross, kActivation>;

 public:
  static TAMIS_DEVICE void run(const GemmS8Params& p) {
    const int first = block_y() * kTile.rows;
    if (first >= load_global(p.m)) return;
    multiply(p);
    if (p.tail.finished != nullptr) finish(p, first);
  }

 private:
  // How many rows there are is read again where it is wanted, which the compiler may not share: the
  // loop has no register to keep it in.
  static TAMIS_DEVICE void multiply(const GemmS8Params& p) {
    Sums sums;
    sums.multiply({p.a, load_fresh(p.m), p.lda},
                  {reinterpret_cast<const uint8_t*>(p.w), p.epilogue.n, p.ldw}, p.k);
    using Results = typename OfSums::Results;
    Results results(p.epilogue, p.m, sums.row(), sums.column());
    OfSums::make(p, sums, ColumnsS8<Results>(p, results), results);
    results.finish();
  }

  static TAMIS_DEVICE void finish(const GemmS8Params& p, int first) {
    const int m = load_fresh(p.m);
    const int end = first + kTile.rows < m ? first + kTile.rows : m;
    const int blocks = (p.epilogue.n + kTile.columns - 1) / kTile.columns;
    constexpr bool kNorms = kActivation == GemmActivation::kNone;
    finish_rows<kThreads, kNorms>(p.tail, block_y(), blocks, first, end);
  }
};

}  // namespace tamis::cuda::device
