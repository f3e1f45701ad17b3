#include "kernels/cpu/peak/peak-inl.h"
#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/simd/tiles_amx-inl.h"

namespace tamis::kernels {

namespace {

// Eight products an iteration, each sum met every fourth.
template <typename Product>
double repeat_tiles(int64_t iterations, int64_t depth, float* sink, const Product& product) {
  alignas(64) char ones[kStepBytes] = {};
  for (int64_t i = 0; i < kStepBytes; ++i) ones[i] = i % 2 == 0 ? 1 : 0x3f;
  alignas(64) float sums[kTileRows * kTileRows] = {};
  TileRegisters registers;
  registers.shape(2 * kTileRows);
  memory_is_used();
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, ones, kTileBytes);
  _tile_loadd(5, ones, kTileBytes);
  _tile_loadd(6, ones, kTileBytes);
  _tile_loadd(7, ones, kTileBytes);
  for (int64_t i = 0; i < iterations; ++i) {
    product();
    product();
  }
  _tile_stored(0, sums, kTileBytes);
  memory_is_used();
  *sink = sums[0];
  return static_cast<double>(iterations) * 8 * kTileRows * kTileRows * static_cast<double>(depth) *
         2;
}

}  // namespace

double peak_int8_amx(int64_t iterations, float* sink) {
  return repeat_tiles(iterations, kTileBytes, sink, [] {
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  });
}

double peak_bf16_amx(int64_t iterations, float* sink) {
  return repeat_tiles(iterations, kTileBytes / 2, sink, [] {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  });
}

}  // namespace tamis::kernels
