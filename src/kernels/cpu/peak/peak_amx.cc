#include "kernels/cpu/peak/peak-inl.h"
#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/simd/tiles_amx-inl.h"

namespace tamis::kernels {

namespace {

// Eight products an iteration, each sum met every fourth.
template <typename Dots>
double repeat_tiles(int64_t iterations, int64_t depth, float* sink) {
  // Bytes above zero, and bf16 of about a half.
  alignas(64) char operand[kTileRows * kTileBytes];
  for (size_t i = 0; i < sizeof(operand); ++i) operand[i] = i % 2 == 0 ? 1 : 0x3f;
  alignas(64) float sums[kTileRows * kTileRows] = {};
  TileRegisters registers;
  registers.shape(2 * kTileRows);
  memory_is_used();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, operand, kTileBytes);
  _tile_loadd(5, operand, kTileBytes);
  _tile_loadd(6, operand, kTileBytes);
  _tile_loadd(7, operand, kTileBytes);
  for (int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 2
    for (int twice = 0; twice < 2; ++twice) {
      Dots::top_left();
      Dots::top_right();
      Dots::bottom_left();
      Dots::bottom_right();
    }
  }
  _tile_stored(0, sums, kTileBytes);
  memory_is_used();
  *sink = sums[0];
  return static_cast<double>(iterations) * 8 * kTileRows * kTileRows * static_cast<double>(depth) *
         2;
}

}  // namespace

double peak_int8_amx(int64_t iterations, float* sink) {
  return repeat_tiles<ByteDots>(iterations, kTileBytes, sink);
}

double peak_bf16_amx(int64_t iterations, float* sink) {
  return repeat_tiles<Bf16Dots>(iterations, kTileBytes / 2, sink);
}

}  // namespace tamis::kernels
