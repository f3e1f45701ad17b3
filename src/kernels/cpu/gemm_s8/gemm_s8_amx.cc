#include "kernels/cpu/simd/vec_avx512-inl.h"
// The vector comes first.
#include "kernels/cpu/simd/dot_s8_avx512_vnni-inl.h"
// Then the products.
#include "kernels/cpu/gemm_s8/gemm_s8-inl.h"
#include "kernels/cpu/simd/tiles_amx-inl.h"

namespace tamis::kernels {

namespace {

struct Dots {
  static void top_left() { _tile_dpbusd(0, 4, 6); }
  static void top_right() { _tile_dpbusd(1, 4, 7); }
  static void bottom_left() { _tile_dpbusd(2, 5, 6); }
  static void bottom_right() { _tile_dpbusd(3, 5, 7); }
};

class Tiles {
 public:
  void operator()(const IntTile& tile, int64_t rows, Sum* sums) {
    const GemmS8Args& args = *tile.args;
    const auto* a = reinterpret_cast<const char*>(args.a + tile.row * args.lda);
    multiply_tiles<Dots>(
        registers_,
        {quantized_row_bytes(args.k), a, args.lda, tile.b, tile.prefetch, tile.prefetch_half}, rows,
        tile.row > 0, sums);
  }

 private:
  TileRegisters registers_;
};

using Tiling = IntGemm<2 * kTileRows, 2, kTileBytes>;

}  // namespace

extern const GemmS8Kernel gemm_s8_amx;
const GemmS8Kernel gemm_s8_amx = {"gemm_s8_amx",       Tiling::kColumns, Tiling::packed_bytes,
                                  Tiling::panel_bytes, Tiling::pack,     Tiling::run<Tiles>};

}  // namespace tamis::kernels
