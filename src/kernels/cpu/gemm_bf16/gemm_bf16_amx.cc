#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/simd/dot_bf16_avx512_bf16-inl.h"
// Then the products.
#include "kernels/cpu/gemm_bf16/gemm_bf16-inl.h"
#include "kernels/cpu/simd/tiles_amx-inl.h"

namespace tamis::kernels {

namespace {

struct Dots {
  static void top_left() { _tile_dpbf16ps(0, 4, 6); }
  static void top_right() { _tile_dpbf16ps(1, 4, 7); }
  static void bottom_left() { _tile_dpbf16ps(2, 5, 6); }
  static void bottom_right() { _tile_dpbf16ps(3, 5, 7); }
};

class Tiles {
 public:
  void operator()(const Bf16Tile& tile, int64_t rows, float* sums) {
    const GemmBf16Args& args = *tile.args;
    const auto* a = reinterpret_cast<const char*>(args.a + tile.row * args.lda);
    multiply_tiles<Dots>(
        registers_,
        {groups_of(args.k) * 4, a, args.lda * 2, tile.b, tile.prefetch, tile.prefetch_half}, rows,
        tile.row > 0, sums);
  }

 private:
  TileRegisters registers_;
};

using Tiling = Bf16Gemm<2 * kTileRows, 2, kTileBytes / 2>;

}  // namespace

extern const GemmBf16Kernel gemm_bf16_amx;
const GemmBf16Kernel gemm_bf16_amx = {"gemm_bf16_amx", Tiling::kColumns, Tiling::packed_bytes,
                                      Tiling::pack, Tiling::run<Tiles>};

}  // namespace tamis::kernels
