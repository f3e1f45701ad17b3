// Gates, cell and result of a word over vectors of sixteen lanes.
//
// Is: for per-ISA files, included after simd/vec_<isa>-inl.h, all in an anonymous namespace.
#pragma once

#include "kernels/cpu/lstm/lstm.h"
#include "kernels/cpu/simd/math-inl.h"
#include "kernels/cpu/simd/row-inl.h"

namespace tamis::kernels {
namespace {

// `first`: there is no word before.
template <bool first>
TAMIS_INLINE void lstm_cells(const LstmCellArgs& args) {
  for_each_vector(args.n, [&](int64_t j, int64_t count) TAMIS_LAMBDA {
    const auto gate = [&](int64_t number) TAMIS_LAMBDA {
      const Vec x = load_count(args.x + number * args.n + j, count);
      return first ? x : x + load_count(args.recurrent + number * args.n + j, count);
    };
    const Vec added = sigmoid(gate(0)) * tanh(gate(2));
    const Vec cell = first ? added : fma(sigmoid(gate(1)), load_count(args.cell + j, count), added);
    store_count(args.cell + j, cell, count);
    store_count(args.y + j, sigmoid(gate(3)) * tanh(cell), count);
  });
}

void lstm_cell(const LstmCellArgs& args) {
  args.recurrent == nullptr ? lstm_cells<true>(args) : lstm_cells<false>(args);
}

}  // namespace
}  // namespace tamis::kernels
