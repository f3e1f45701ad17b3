// The kernel of gemm_s8_hopper.h. For kernels.cu and tests.
#pragma once

#include "kernels/cuda/gemm_s8/gemm_s8_results-inl.h"
#include "kernels/cuda/gemm_s8/hopper_sums-inl.h"
#include "kernels/cuda/rows/row_tail-inl.h"

namespace tamis::cuda::device {

/// The numbers of a tile's columns in shared memory: in registers there is no room to load them
/// ahead. As ColumnsS8.
template <typename Results, int kColumns>
class SharedColumns {
 public:
  using Pair = typename Results::Pair;

  TAMIS_DEVICE explicit SharedColumns(uint32_t place) : place_(place) {}

  /// All threads of the block come, and a barrier follows. Behind the last column it is read again.
  TAMIS_DEVICE void fill(const GemmS8Params& p) const {
    const int column = thread_x();
    if (column >= kColumns) return;
    const int last = p.epilogue.n - 1;
    const int at = block_x() * kColumns + column;
    store(0, column, p.weight_scale + (at < last ? at : last));
    store(1, column, p.colsum + (at < last ? at : last));
    store(2, column, p.epilogue.bias + (at < last ? at : last));
  }
  [[nodiscard]] TAMIS_DEVICE Pair weight_scale(int j) const { return pair(0, j); }
  [[nodiscard]] TAMIS_DEVICE Pair colsum(int j) const { return pair(1, j); }
  [[nodiscard]] TAMIS_DEVICE Pair bias(int j) const { return pair(2, j); }

 private:
  TAMIS_DEVICE void store(int which, int column, const float* number) const {
    store_shared32(place_ + static_cast<uint32_t>((which * kColumns + column) * 4),
                   bits_of(load_global(number)));
  }
  [[nodiscard]] TAMIS_DEVICE Pair pair(int which, int j) const {
    const int first = which * kColumns + j * 8 + thread_x() % 4 * 2;
    const Vec2 words = load_shared64(place_ + static_cast<uint32_t>(first * 4));
    return {{float_of(words.x), float_of(words.y)}};
  }

  uint32_t place_;
};

template <HopperTile kTile, GemmActivation kActivation>
class GemmS8Hopper {
  using OfSums = ResultsS8<1, kTile.columns / 8, kActivation>;
  using Results = typename OfSums::Results;
  using Columns = SharedColumns<Results, kTile.columns>;
  static constexpr int kThreads = kTile.threads();
  static_assert(kTile.columns <= kThreads);

 public:
  static TAMIS_DEVICE void run(const GemmS8HopperParams& p) {
    const int first = block_y() * kTile.rows;
    if (first >= load_global(p.product.m)) return;
    const HopperRing<kTile> ring;
    Columns(ring.end()).fill(p.product);
    if (thread_x() == 0) ring.init();
    sync_block();
    const int steps = (p.product.k + kTile.depth - 1) / kTile.depth;
    multiply(p, ring, steps);
    if (p.product.tail.finished != nullptr) finish(p.product, first);
  }

 private:
  static TAMIS_DEVICE void multiply(const GemmS8HopperParams& p, const HopperRing<kTile>& ring,
                                    int steps) {
    HopperSums<kTile> sums;
    HopperFetcher<kTile> fetcher(p, ring, steps);
    if (thread_x() == 0) {
      TAMIS_UNROLL
      for (int s = 0; s < kTile.stages; ++s) fetcher.fetch(s);
    }
    sums.multiply(ring, steps, [&](int s, uint32_t parity) { fetcher.fetch_again(s, parity); });
    sync_block();  // stages are read no more
    const GemmS8Params& product = p.product;
    Results results(product.epilogue, product.m, block_y() * kTile.rows + sums.row(),
                    block_x() * kTile.columns + sums.column());
    OfSums::make(product, sums, Columns(ring.end()), results);
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
