// What the GEMM families share after their sums: bias, activation, residual, stores.
//
// Is: for per-ISA files, included after vec_<isa>-inl.h, all in an anonymous namespace.
#pragma once

#include "kernels/cpu/simd/math-inl.h"

namespace tamis::kernels {
namespace {

TAMIS_INLINE int64_t at_most_lanes(int64_t n) { return n < kLanes ? n : kLanes; }

// Rows and columns are those of the whole matrix; c starts at its [c_row, c_column].
struct Epilogue {
  int64_t n;
  const float* bias;  // or null
  Activation activation;
  const float* residual;  // or null
  int64_t ldr;
  float* c;
  int64_t ldc;
  int64_t c_row;
  int64_t c_column;
};

TAMIS_INLINE float* output(const Epilogue& epilogue, int64_t row, int64_t column) {
  return epilogue.c + (row - epilogue.c_row) * epilogue.ldc + (column - epilogue.c_column);
}

// Sends the tile at [row, column] into `buffer`, to be rounded from there.
TAMIS_INLINE void redirect(Epilogue& epilogue, float* buffer, int64_t ld, int64_t row,
                           int64_t column) {
  epilogue.c = buffer;
  epilogue.ldc = ld;
  epilogue.c_row = row;
  epilogue.c_column = column;
}

inline void store_bf16_rows(const float* x, int64_t ldx, int64_t rows, int64_t columns, uint16_t* y,
                            int64_t ldy) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; j += kLanes) {
      const int64_t count = at_most_lanes(columns - j);
      store_bf16_first(y + i * ldy + j, load_first(x + i * ldx + j, count), count);
    }
  }
}

// Sixteen sums of one row from `column` on, of which `left` > 0 columns are real: adds the residual
// where no activation comes between, and stores. kFull: all sixteen are.
template <bool kFull>
TAMIS_INLINE void store_sums(const Epilogue& epilogue, int64_t row, int64_t column, Vec x) {
  const int64_t count = kFull ? kLanes : at_most_lanes(epilogue.n - column);
  if (epilogue.residual != nullptr && epilogue.activation == Activation::kNone) {
    const float* residual = epilogue.residual + row * epilogue.ldr + column;
    x = x + (kFull ? load(residual) : load_first(residual, count));
  }
  float* c = output(epilogue, row, column);
  if (kFull) {
    store(c, x);
  } else {
    store_first(c, x, count);
  }
}

// Activation and residual over a tile just stored, while it is in the L1.
inline void finish_rows(const Epilogue& epilogue, int64_t row, int64_t rows, int64_t column,
                        int64_t columns) {
  if (epilogue.activation == Activation::kNone) return;
  with_activation(epilogue.activation, [&](auto function) TAMIS_LAMBDA {
    for (int64_t i = row; i < row + rows; ++i) {
      float* c = output(epilogue, i, column);
      const float* residual =
          epilogue.residual == nullptr ? nullptr : epilogue.residual + i * epilogue.ldr + column;
      for (int64_t j = 0; j < columns; j += kLanes) {
        const int64_t count = at_most_lanes(columns - j);
        Vec x = function(load_first(c + j, count));
        if (residual != nullptr) x = x + load_first(residual + j, count);
        store_first(c + j, x, count);
      }
    }
  });
}

// Rows of the t-th of ceil(rows / most) tiles that differ by at most one.
TAMIS_INLINE int64_t tile_rows(int64_t rows, int64_t tiles, int64_t t) {
  return rows / tiles + (t < rows % tiles ? 1 : 0);
}

}  // namespace
}  // namespace tamis::kernels
