// Rotary position embedding: pairs of columns of each head turn by angles that grow with the place.
//
// Is: the turn, given the cosines and sines of each row's place (reference::rotary_table), and the
// copy of the columns that stay. Is not: a choice of frequencies or places. May use: the argument
// struct only, so that per-ISA files can include it.
//
// Maths, with a and b a pair's columns: a' = a cos - b sin, b' = b cos + a sin.
//
// Exactness. Each of a' and b' is one product and one fused multiply-add, so off by at most 2^-24
// (|a| + 2 |b|), and rounded to bf16 where that is wanted: all vector rows give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/reference/rotary_args.h"

namespace tamis {
class IsaSet;
}

namespace tamis::kernels {

/// Thread-safe.
struct RotaryKernel {
  const char* name;  // "rotary_avx512"
  void (*run)(const RotaryArgs& args);
};

/// The first row of kernels.inc that `isas` has.
[[nodiscard]] const RotaryKernel& select_rotary(IsaSet isas);

}  // namespace tamis::kernels
