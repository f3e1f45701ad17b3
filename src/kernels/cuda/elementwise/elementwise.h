// Activations, sums, products and roundings, value by value.
//
// Is: what the GPU's elementwise kernel is given. Is not: the kernel. May use: base/activation.h.
//
// Exactness: one rounding; activations have the bits of kernels/cpu/elementwise.
#pragma once

#include <cstdint>

#include "base/activation.h"
#include "kernels/cuda/values.h"

namespace tamis::cuda {

/// y = activation(x), or x + other, or x * other, or other in rows that are chosen and x in the
/// rest. Device memory. Launch with kElementwiseThreads
/// and a block for each row, of which each has `columns` values.
struct ElementwiseParams {
  enum class Kind : int32_t { kActivate, kAdd, kMultiply, kChoose };

  Kind kind = Kind::kActivate;
  Activation activation = Activation::kNone;
  const int32_t* rows = nullptr;    // [1]
  const int32_t* chosen = nullptr;  // of each row not 0 where it is other's; of kChoose alone
  int columns = 0;
  int ldy = 0;  // columns of y; those behind `columns` become 0
  Values x;     // [rows, columns]
  const float* other = nullptr;
  int other_row = 0;     // values from one row of `other` to the next
  int other_column = 1;  // and from one column to the next: 0 for a number
  MutableValues y;
};

inline constexpr int kElementwiseThreads = 128;

}  // namespace tamis::cuda
