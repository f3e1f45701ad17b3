// What the last block of a group of rows does with them: RowTail of rows.h. For kernels.
#pragma once

#include "kernels/cuda/rows/rows-inl.h"

namespace tamis::cuda::device {

/// Whether this block is the last of `blocks` that come here for the group; all its threads get the
/// answer, and in the last they see with load_fresh() what the others stored before.
TAMIS_DEVICE bool is_last_of(uint32_t* finished, int group, int blocks) {
  const uint32_t place = shared_base();
  sync_block();  // all of the block's stores, and it reads shared memory no more
  if (thread_x() == 0) {
    fence_device();
    const bool last = count_up(finished + group) + 1 == static_cast<uint32_t>(blocks);
    fence_device();
    if (last) store_global(finished + group, 0u);  // for the next launch
    store_shared32(place, last ? 1 : 0);
  }
  sync_block();
  const bool last = load_shared32(place) != 0;
  sync_block();
  return last;
}

/// The shapes of a block of kThreads threads that quantizes rows.
template <int kThreads>
struct TailShapes {
  static constexpr int kWarps = kThreads / 32;
  static constexpr RowShape kNarrow = {1, kWarps, 8};
  static constexpr RowShape kWide = {kWarps, 1, kMostTailColumns / (kWarps * 128)};
  static constexpr int kMostNarrow = kNarrow.most_columns();
  static_assert(kWide.most_columns() == kMostTailColumns);
};

// A call for each row: in the loop itself the compiler keeps what all rows share, masks and
// columns' numbers, in more registers than the kernel has.
template <RowShape kShape, RowWork kWork>
TAMIS_DEVICE_CALL void run_fresh_row(const RowsParams& p, int row) {
  RowKernel<kShape, kWork>::run_row(p, row);
}

/// Rows [first, end) by warps, or by the block where a row has too many columns for one.
template <int kThreads>
TAMIS_DEVICE void quantize_group(const RowsParams& p, int first, int end) {
  using Shapes = TailShapes<kThreads>;
  if (p.width <= Shapes::kMostNarrow) {
    for (int row = first + thread_x() / 32; row < end; row += Shapes::kWarps) {
      run_fresh_row<Shapes::kNarrow, RowWork::kQuantizeFresh>(p, row);
    }
  } else {
    for (int row = first; row < end; ++row) {
      run_fresh_row<Shapes::kWide, RowWork::kQuantizeFresh>(p, row);
    }
  }
}

/// The whole block comes, behind its last store. Of kernels with kNorms a tail has a norm, of
/// others none.
template <int kThreads, bool kNorms>
TAMIS_DEVICE void finish_rows(const RowTail& tail, int group, int blocks, int first, int end) {
  if (!is_last_of(tail.finished, group, blocks)) return;
  if constexpr (kNorms) {
    using Shapes = TailShapes<kThreads>;
    for (int row = first + thread_x() / 32; row < end; row += Shapes::kWarps) {
      run_fresh_row<Shapes::kNarrow, RowWork::kNormFresh>(tail.rows, row);
    }
  } else {
    quantize_group<kThreads>(tail.rows, first, end);
  }
}

}  // namespace tamis::cuda::device
