// The kernel of gemm_f32.h: sixteen sums a thread. For kernels.cu and tests.
#pragma once

#include "kernels/cuda/activation-inl.h"
#include "kernels/cuda/gemm_f32/gemm_f32.h"
#include "kernels/cuda/values-inl.h"

namespace tamis::cuda::device {

class GemmF32 {
  static constexpr int kSide = 4;                   // sums of a thread, down and across
  static constexpr int kStride = kGemmF32Tile + 4;  // floats of a row of one k
  static constexpr int kOperandBytes = kGemmF32Depth * kStride * 4;

 public:
  static TAMIS_DEVICE void run(const GemmF32Params& p) {
    const int m = load_global(p.m);
    const int row = block_y() * kGemmF32Tile;
    const int column = block_x() * kGemmF32Tile;
    if (row >= m) return;
    const uint32_t a0 = shared_base();
    const uint32_t w0 = a0 + kOperandBytes;
    float sums[kSide][kSide] = {};
    for (int k0 = 0; k0 < p.k; k0 += kGemmF32Depth) {
      if (k0 > 0) sync_block();
      fetch(p.a, row, m, p.k, k0, a0);
      fetch(p.w, column, p.epilogue.n, p.k, k0, w0);
      sync_block();
      const int depth = p.k - k0 < kGemmF32Depth ? p.k - k0 : kGemmF32Depth;
      for (int k = 0; k < depth; ++k) multiply(a0, w0, k, sums);
    }
    finish(p, m, row + thread_x() / 16 * kSide, column + thread_x() % 16 * kSide, sums);
  }

 private:
  // A thread brings one k of every sixteenth row. What is not there is 0.
  static TAMIS_DEVICE void fetch(const float* from, int first, int rows, int k, int k0,
                                 uint32_t to) {
    const int at = thread_x() % kGemmF32Depth;
    TAMIS_UNROLL
    for (int i = 0; i < kGemmF32Tile / (kGemmF32Threads / kGemmF32Depth); ++i) {
      const int row = thread_x() / kGemmF32Depth + i * (kGemmF32Threads / kGemmF32Depth);
      const bool there = first + row < rows && k0 + at < k;
      const int64_t place = static_cast<int64_t>(first + row) * k + k0 + at;
      const float value = there ? load_global(from + place) : 0.0f;
      store_shared32(to + static_cast<uint32_t>(at * kStride + row) * 4, bits_of(value));
    }
  }

  static TAMIS_DEVICE void multiply(uint32_t a0, uint32_t w0, int k, float (&sums)[kSide][kSide]) {
    const auto line = static_cast<uint32_t>(k * kStride) * 4;
    const Vec4 a = load_shared128(a0 + line + static_cast<uint32_t>(thread_x() / 16) * 16);
    const Vec4 w = load_shared128(w0 + line + static_cast<uint32_t>(thread_x() % 16) * 16);
    const float down[kSide] = {float_of(a.x), float_of(a.y), float_of(a.z), float_of(a.w)};
    const float across[kSide] = {float_of(w.x), float_of(w.y), float_of(w.z), float_of(w.w)};
    TAMIS_UNROLL
    for (int i = 0; i < kSide; ++i) {
      TAMIS_UNROLL
      for (int j = 0; j < kSide; ++j) sums[i][j] = fma_rn(down[i], across[j], sums[i][j]);
    }
  }

  static TAMIS_DEVICE void finish(const GemmF32Params& p, int m, int row, int column,
                                  const float (&sums)[kSide][kSide]) {
    const GemmEpilogue& epilogue = p.epilogue;
    TAMIS_UNROLL
    for (int i = 0; i < kSide; ++i) {
      TAMIS_UNROLL
      for (int j = 0; j < kSide; ++j) {
        if (row + i >= m || column + j >= epilogue.n) continue;
        const float sum = add_rn(sums[i][j], load_global(epilogue.bias + column + j));
        float y = activate(epilogue.activation, sum, epilogue.short_gelu);
        const int64_t at = static_cast<int64_t>(row + i) * epilogue.n + column + j;
        if (epilogue.residual != nullptr) y = add_rn(y, load_global(epilogue.residual + at));
        store_value(epilogue.c, at, y);
      }
    }
  }
};

}  // namespace tamis::cuda::device
