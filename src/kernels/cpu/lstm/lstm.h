// A long short-term memory's arithmetic behind its products: gates, cell and result of a word.
//
// Is: elementwise, one word a call. Is not: the order of words, the products. May use: the argument
// struct only, so that per-ISA files can include it.
//
// Exactness. Gates by simd/math-inl.h's sigmoid and tanh, the cell by one product and one fused
// multiply-add: all vector rows give the same bits, and agree with the reference to 32 * 2^-24
// times (1 + |cell before|).
#pragma once

#include "kernels/reference/words_args.h"

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

/// Thread-safe.
struct LstmKernel {
  const char* name;  // "lstm_avx512"
  void (*cell)(const LstmCellArgs& args);
};

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const LstmKernel& select_lstm(IsaSet isas);

}  // namespace tamis::kernels
