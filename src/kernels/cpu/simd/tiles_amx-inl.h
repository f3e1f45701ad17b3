// Products of 32 rows of A and 32 packed columns of B in AMX's tile registers: four tiles of sums,
// two of A, two of B.
//
// Is: the inner loop of gemm_s8 and gemm_bf16 on AMX, for per-ISA files, all in an anonymous
// namespace. A tile is up to 16 rows of 64 bytes; a step is 64 bytes of a row of A, 16 groups of
// four.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace tamis::kernels {
namespace {

constexpr int64_t kTileRows = 16;
constexpr int64_t kTileBytes = 64;
// Packed B of a step: 16 groups of 32 columns.
constexpr int64_t kGroupBytes = 2 * kTileBytes;
constexpr int64_t kStepBytes = kTileRows * kGroupBytes;

struct StepOperands {
  int64_t bytes;  // of a row of A, a multiple of four
  const char* a;
  int64_t lda;           // bytes
  const char* b;         // [steps][16 groups][32 columns][4 bytes], zeros behind the last group
  const char* prefetch;  // lines to fetch into the L2 meanwhile, as many as b has or half; or null
  bool prefetch_half;
};

// The intrinsics do not say what memory they read and write.
TAMIS_INLINE void memory_is_used() { __asm__ volatile("" ::: "memory"); }

// The tile registers of this thread, from the first product on until the object ends: registers in
// use make every switch of threads save 8 KB.
class TileRegisters {
 public:
  TileRegisters() = default;
  ~TileRegisters() { _tile_release(); }
  TileRegisters(const TileRegisters&) = delete;
  TileRegisters& operator=(const TileRegisters&) = delete;

  [[nodiscard]] int64_t rows() const { return rows_; }
  // Rows of A and of sums: 1 to 32.
  void shape(int64_t rows) {
    if (rows == rows_) return;
    rows_ = rows;
    const auto top = static_cast<uint8_t>(rows < kTileRows ? rows : kTileRows);
    const auto bottom = static_cast<uint8_t>(rows - top);
    Config config = {};
    const auto set = [&](int tile, uint8_t count) {
      config.rows[tile] = count;
      config.bytes[tile] = count == 0 ? 0 : static_cast<uint16_t>(kTileBytes);
    };
    set(0, top);
    set(1, top);
    set(2, bottom);
    set(3, bottom);
    set(4, top);
    set(5, bottom);
    set(6, kTileRows);
    set(7, kTileRows);
    memory_is_used();
    _tile_loadconfig(&config);
  }

 private:
  struct alignas(64) Config {
    uint8_t palette = 1;
    uint8_t start_row = 0;
    uint8_t reserved[14] = {};
    uint16_t bytes[16] = {};
    uint8_t rows[16] = {};
  };
  int64_t rows_ = 0;
};

// The four products of a step, top and bottom rows by left and right columns.
struct ByteDots {
  static void top_left() { _tile_dpbusd(0, 4, 6); }
  static void top_right() { _tile_dpbusd(1, 4, 7); }
  static void bottom_left() { _tile_dpbusd(2, 5, 6); }
  static void bottom_right() { _tile_dpbusd(3, 5, 7); }
};
struct Bf16Dots {
  static void top_left() { _tile_dpbf16ps(0, 4, 6); }
  static void top_right() { _tile_dpbf16ps(1, 4, 7); }
  static void bottom_left() { _tile_dpbf16ps(2, 5, 6); }
  static void bottom_right() { _tile_dpbf16ps(3, 5, 7); }
};

// One step: sums += A B.
template <typename Dots, bool kBottom>
TAMIS_INLINE void tile_step(const char* a, int64_t lda, const char* b) {
  _tile_loadd(6, b, kGroupBytes);
  _tile_loadd(4, a, lda);
  _tile_loadd(7, b + kTileBytes, kGroupBytes);
  Dots::top_left();
  Dots::top_right();
  if constexpr (kBottom) {
    _tile_loadd(5, a + kTileRows * lda, lda);
    Dots::bottom_left();
    Dots::bottom_right();
  }
}

// All whole steps, and the last one out of a copy: a tile reads 64 bytes of a row, and of the last
// row there may be no more.
template <typename Dots, bool kBottom, int kPrefetch>
TAMIS_INLINE void tile_steps(const StepOperands& operands, int64_t rows) {
  const char* a = operands.a;
  const char* b = operands.b;
  const char* prefetch = operands.prefetch;
  constexpr int64_t kLinesAhead = kStepBytes / 64 * kPrefetch / 2;
  for (int64_t step = 0; step < operands.bytes / kTileBytes; ++step) {
#pragma GCC unroll 32
    for (int64_t line = 0; line < kLinesAhead; ++line) {
      __builtin_prefetch(prefetch + 64 * line, 0, 2);
    }
    prefetch += 64 * kLinesAhead;
    tile_step<Dots, kBottom>(a, operands.lda, b);
    a += kTileBytes;
    b += kStepBytes;
  }
  const int64_t rest = operands.bytes % kTileBytes;
  if (rest == 0) return;
  alignas(64) char last[2 * kTileRows * kTileBytes] = {};
  for (int64_t i = 0; i < rows; ++i) {
    __builtin_memcpy(last + i * kTileBytes, a + i * operands.lda, static_cast<size_t>(rest));
  }
  memory_is_used();
  tile_step<Dots, kBottom>(last, kTileBytes, b);
}

// sums: [rows][32] of four bytes.
template <typename Dots, bool kBottom>
TAMIS_INLINE void multiply_tile_rows(const StepOperands& operands, int64_t rows, void* sums) {
  memory_is_used();
  _tile_zero(0);
  _tile_zero(1);
  if constexpr (kBottom) {
    _tile_zero(2);
    _tile_zero(3);
  }
  if (operands.prefetch == nullptr) {
    tile_steps<Dots, kBottom, 0>(operands, rows);
  } else if (operands.prefetch_half) {
    tile_steps<Dots, kBottom, 1>(operands, rows);
  } else {
    tile_steps<Dots, kBottom, 2>(operands, rows);
  }
  auto* out = static_cast<char*>(sums);
  _tile_stored(0, out, kGroupBytes);
  _tile_stored(1, out + kTileBytes, kGroupBytes);
  if constexpr (kBottom) {
    _tile_stored(2, out + kTileRows * kGroupBytes, kGroupBytes);
    _tile_stored(3, out + kTileRows * kGroupBytes + kTileBytes, kGroupBytes);
  }
  memory_is_used();
}

// The product of 1 to 32 rows. Tiles of a batch differ by a row (tile_rows), and a change of the
// registers' shape takes as long as a product: where there is a row before these, it is computed
// with them, and `sums` has room for it in front.
template <typename Dots>
__attribute__((noinline)) void multiply_tiles(TileRegisters& registers, StepOperands operands,
                                              int64_t rows, bool has_row_before, void* sums) {
  if (has_row_before && rows + 1 == registers.rows()) {
    operands.a -= operands.lda;
    sums = static_cast<char*>(sums) - kGroupBytes;
    ++rows;
  }
  registers.shape(rows);
  if (rows > kTileRows) {
    multiply_tile_rows<Dots, true>(operands, rows, sums);
  } else {
    multiply_tile_rows<Dots, false>(operands, rows, sums);
  }
}

// Runs tiles of a GEMM; one object a call of its run().
template <typename Dots>
class GemmTiles {
 public:
  template <typename Tile, typename Sum>
  void operator()(const Tile& tile, int64_t rows, Sum* sums) {
    const auto& args = *tile.args;
    constexpr int64_t kSize = sizeof(*args.a);
    multiply_tiles<Dots>(
        registers_,
        {(args.k * kSize + 3) / 4 * 4, reinterpret_cast<const char*>(args.a + tile.row * args.lda),
         args.lda * kSize, tile.b, tile.prefetch, tile.prefetch_half},
        rows, tile.row > 0, sums);
  }

 private:
  TileRegisters registers_;
};

}  // namespace
}  // namespace tamis::kernels
