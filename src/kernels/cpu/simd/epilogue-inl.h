// What the GEMM families share after their sums: activation, residual, rounding, stores.
//
// Is: for per-ISA files, included after vec_<isa>-inl.h, all in an anonymous namespace.
#pragma once

#include "kernels/cpu/simd/math-inl.h"

namespace tamis::kernels {
namespace {

TAMIS_INLINE int64_t at_most_lanes(int64_t n) { return n < kLanes ? n : kLanes; }

// What C is stored as.
enum class Stored { kF32, kBf16, kF16 };

// Pointers are to the whole matrices.
struct Epilogue {
  int64_t n;
  Activation activation;
  const float* residual;  // or null; added after the activation
  int64_t ldr;
  Stored stored;
  void* c;
  int64_t ldc;
};

template <typename Args>
TAMIS_INLINE Epilogue epilogue_of(const Args& args) {
  Epilogue epilogue = {args.n,       args.activation, args.residual, args.ldr,
                       Stored::kF32, args.c,          args.ldc};
  if (args.c_bf16 != nullptr) {
    epilogue.stored = Stored::kBf16;
    epilogue.c = args.c_bf16;
  }
  if (args.c_f16 != nullptr) {
    epilogue.stored = Stored::kF16;
    epilogue.c = args.c_f16;
  }
  return epilogue;
}

// The first `count` of sixteen results, from element `at` of C on.
template <Stored kStored, bool kFull>
TAMIS_INLINE void store_result(void* c, int64_t at, Vec x, int64_t count) {
  if (kStored == Stored::kBf16) {
    uint16_t* p = static_cast<uint16_t*>(c) + at;
    return kFull ? store_bf16(p, x) : store_bf16_first(p, x, count);
  }
  if (kStored == Stored::kF16) {
    uint16_t* p = static_cast<uint16_t*>(c) + at;
    return kFull ? store_f16(p, x) : store_f16_first(p, x, count);
  }
  float* p = static_cast<float*>(c) + at;
  return kFull ? store(p, x) : store_first(p, x, count);
}

// Asks for the lines that a tile will read as residual and write as C, so that they are there when
// its sums are: a store that misses the L2 otherwise waits for the line in the tile's shadow.
TAMIS_INLINE void prefetch_results(const Epilogue& epilogue, int64_t row, int64_t rows,
                                   int64_t column, int64_t columns) {
  const int64_t size = epilogue.stored == Stored::kF32 ? 4 : 2;
  for (int64_t i = row; i < row + rows; ++i) {
    const char* c = static_cast<const char*>(epilogue.c) + (i * epilogue.ldc + column) * size;
    for (int64_t byte = 0; byte < columns * size; byte += 64) prefetch_for_write(c + byte);
    if (epilogue.residual == nullptr) continue;
    const float* residual = epilogue.residual + i * epilogue.ldr + column;
    for (int64_t j = 0; j < columns; j += kLanes) {
      __builtin_prefetch(residual + j, 0, 3);
    }
  }
}

// The sums of a tile as the inner loop left them, and where they belong.
struct SummedTile {
  const float* sums;  // [rows][kVecs * 16]
  int64_t row;
  int64_t rows;
  int64_t column;
};

// Activation, residual and rounding of a tile, a row at a time. values(i, y) gives the i-th row,
// bias added. In a function of its own: beside the inner loop g++ 12 spills the loop's sums.
template <Stored kStored, int kVecs, bool kFull, typename Values, typename Function>
TAMIS_INLINE void finish_rows(const Epilogue& epilogue, int64_t row, int64_t rows, int64_t column,
                              const Values& values, const Function& function) {
  for (int64_t i = 0; i < rows; ++i) {
    Vec y[kVecs];
    values(i, y);
    const int64_t at = (row + i) * epilogue.ldc + column;
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) y[v] = function(y[v]);
    if (epilogue.residual != nullptr) {
      const float* residual = epilogue.residual + (row + i) * epilogue.ldr + column;
#pragma GCC unroll 8
      for (int v = 0; v < kVecs; ++v) {
        const int64_t left = epilogue.n - column - v * kLanes;
        if (!kFull && left <= 0) break;
        y[v] = y[v] + (kFull ? load(residual + v * kLanes)
                             : load_first(residual + v * kLanes, at_most_lanes(left)));
      }
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) {
      const int64_t left = epilogue.n - column - v * kLanes;
      if (!kFull && left <= 0) break;
      store_result<kStored, kFull>(epilogue.c, at + v * kLanes, y[v], at_most_lanes(left));
    }
  }
}

template <Stored kStored, int kVecs, bool kFull, bool kShortGelu, typename Values>
TAMIS_INLINE void finish_stored(const Epilogue& epilogue, int64_t row, int64_t rows, int64_t column,
                                const Values& values) {
  const auto finish = [&](auto function) TAMIS_LAMBDA {
    finish_rows<kStored, kVecs, kFull>(epilogue, row, rows, column, values, function);
  };
  if constexpr (kShortGelu) {
    with_activation_short(epilogue.activation, finish);
  } else {
    with_activation(epilogue.activation, finish);
  }
}

// Finishes `rows` rows from `row` on of kVecs * 16 columns, all of them real if kFull; GELU by the
// short polynomials if kShortGelu.
template <int kVecs, bool kFull, bool kShortGelu, typename Values>
TAMIS_INLINE void finish_tile(const Epilogue& epilogue, int64_t row, int64_t rows, int64_t column,
                              const Values& values) {
  switch (epilogue.stored) {
    case Stored::kF32:
      return finish_stored<Stored::kF32, kVecs, kFull, kShortGelu>(epilogue, row, rows, column,
                                                                   values);
    case Stored::kBf16:
      return finish_stored<Stored::kBf16, kVecs, kFull, kShortGelu>(epilogue, row, rows, column,
                                                                    values);
    case Stored::kF16:
      return finish_stored<Stored::kF16, kVecs, kFull, kShortGelu>(epilogue, row, rows, column,
                                                                   values);
  }
}

// The columns of one row of a vector of n floats, zeros where it is null.
template <int kVecs, bool kFull>
TAMIS_INLINE void load_columns_of(const float* p, int64_t n, int64_t column, Vec (&out)[kVecs]) {
#pragma GCC unroll 8
  for (int v = 0; v < kVecs; ++v) {
    const int64_t first = column + v * kLanes;
    out[v] = zero();
    if (p == nullptr || (!kFull && first >= n)) continue;
    out[v] = kFull ? load(p + first) : load_first(p + first, at_most_lanes(n - first));
  }
}

// The finish of a product of floats: sums + bias.
template <int kVecs, bool kFull, bool kShortGelu>
__attribute__((noinline)) void finish_float_tile(const Epilogue& epilogue, const float* bias,
                                                 const SummedTile& tile) {
  Vec biases[kVecs];
  load_columns_of<kVecs, kFull>(bias, epilogue.n, tile.column, biases);
  const float* sums = tile.sums;
  const auto values = [&, sums](int64_t i, Vec(&y)[kVecs]) TAMIS_LAMBDA {
#pragma GCC unroll 8
    for (int v = 0; v < kVecs; ++v) y[v] = load(sums + (i * kVecs + v) * kLanes) + biases[v];
  };
  finish_tile<kVecs, kFull, kShortGelu>(epilogue, tile.row, tile.rows, tile.column, values);
}

// Rows of the t-th of ceil(rows / most) tiles that differ by at most one.
TAMIS_INLINE int64_t tile_rows(int64_t rows, int64_t tiles, int64_t t) {
  return rows / tiles + (t < rows % tiles ? 1 : 0);
}

}  // namespace
}  // namespace tamis::kernels
