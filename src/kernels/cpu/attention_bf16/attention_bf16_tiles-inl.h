// What attention in bf16 multiplies on AMX: pairs of bf16, 32 query rows at a time by 32 keys or
// columns of the head.
//
// Is: for per-ISA files, included after simd/attention-inl.h, attention_bf16_dot-inl.h and
// simd/tiles_amx-inl.h, all in an anonymous namespace. Keys and columns are padded to whole tiles
// with zeros. Of a tile with fewer rows the missing ones hold what the memory behind q held;
// nothing of them is stored.
#pragma once

namespace tamis::kernels {
namespace {

// Words [rows, words] times packed words [words, 32]; words a multiple of 16.
TAMIS_INLINE void multiply_words(int64_t words, const char* a, int64_t lda, const char* b,
                                 int64_t rows, Vec* out) {
  const StepOperands operands = {words * kWordBytes, a, lda, b, nullptr, false};
  if (rows > kTileRows) {
    multiply_tile_rows<Bf16Dots, true>(operands, rows, out);
  } else {
    multiply_tile_rows<Bf16Dots, false>(operands, rows, out);
  }
}

struct TilesOfBf16 : PairsOfBf16 {
  static constexpr int64_t kPadding = 2 * kTileRows;
  static constexpr int64_t words_of(int64_t n) { return (n + kPadding - 1) / kPadding * kTileRows; }

  static bool multiplies_as_it_is(const AttentionOperand& q, int64_t head_size, int64_t rows) {
    return q.bf16 != nullptr && head_size % kPadding == 0 && rows % kTileRows == 0;
  }

  template <int kRows, int kVecs>
  TAMIS_INLINE static void multiply(int64_t words, const char* a, int64_t lda, const char* b,
                                    Vec (&acc)[kRows][kVecs]) {
    static_assert(kVecs == 2);
    if constexpr (kRows == 1) {
      PairsOfBf16::multiply<kRows, kVecs>(words, a, lda, b, acc);
    } else {
      static_assert(kRows == 2 * kTileRows);
      multiply_words(words, a, lda, b, kRows, &acc[0][0]);
    }
  }

  template <int kVecs>
  TAMIS_INLINE static void load_values(const AttentionOperand& v, int64_t word, int64_t keys,
                                       int64_t column, int64_t count, Vec (&out)[kVecs]) {
    if (2 * word < keys) {
      return PairsOfBf16::load_values<kVecs>(v, word, keys, column, count, out);
    }
#pragma GCC unroll 2
    for (int i = 0; i < kVecs; ++i) out[i] = zero();
  }
};

// As probability_panel of attention-inl.h, of `products` [rows][2].
__attribute__((noinline)) void tile_probabilities(const AttentionTile& tile, const KeyBlock& block,
                                                  int64_t key, int64_t rows, const Vec* products,
                                                  Vec* sums) {
  const Vec scale = set(tile.scale);
  const int64_t left = block.keys - key;
  const auto finish = [&](const auto& to_p) TAMIS_LAMBDA {
    for (int64_t i = 0; i < rows; ++i) {
      Vec p[2] = {to_p(products[2 * i], i, 0), zero()};
      if (left > kLanes) p[1] = to_p(products[2 * i + 1], i, kLanes);
      if (left < kLanes) p[0] = keep_first(p[0], left, zero());
      if (left < 2 * kLanes && left > kLanes) p[1] = keep_first(p[1], left - kLanes, zero());
      sums[i] = TilesOfBf16::store_probabilities(tile.scores + i * tile.lds, key, p, sums[i]);
    }
  };
  if (tile.bias == nullptr) {
    finish([&](Vec score, int64_t, int64_t)
               TAMIS_LAMBDA { return TilesOfBf16::exp2(score * scale); });
    return;
  }
  const float* bias = tile.bias + block.begin + key;
  finish([&](Vec score, int64_t i, int64_t lane) TAMIS_LAMBDA {
    return seen_exp2<TilesOfBf16>(fma(score, scale, load(bias + i * tile.bias_step + lane)));
  });
}

// As context_panel of attention-inl.h.
__attribute__((noinline)) void tile_context(const AttentionTile& tile, const KeyBlock& block,
                                            int64_t column, int64_t rows, const float* inverse) {
  const int64_t skip = TilesOfBf16::words_of(block.skip);
  const int64_t word = column * TilesOfBf16::words_of(tile.keys) +
                       (TilesOfBf16::words_of(block.begin) + skip) * TilesOfBf16::kPadding;
  Vec sums[2 * TilesOfBf16::kPadding];
  multiply_words(TilesOfBf16::words_of(block.keys) - skip,
                 reinterpret_cast<const char*>(tile.scores) + skip * kWordBytes,
                 tile.lds * static_cast<int64_t>(sizeof(float)), tile.packed_v + word * kWordBytes,
                 rows, sums);
  for (int64_t v = 0; v < 2; ++v) {
    const int64_t at = column + v * kLanes;
    for (int64_t i = 0; i < rows; ++i) {
      finish_context(tile, block, {i, at, 1, inverse[i]}, sums[2 * i + v]);
    }
  }
}

// Runs a tile of 1 to 32 rows; one object a call of run().
class AttentionTiles {
 public:
  AttentionTiles() { registers_.shape(TilesOfBf16::kPadding); }

  void operator()(const AttentionTile& tile, int64_t rows) const {
    constexpr int64_t kRows = TilesOfBf16::kPadding;
    Vec by_lanes[kRows];
    for (int64_t i = 0; i < rows; ++i) by_lanes[i] = zero();
    float sum[kRows];
    float inverse[kRows];
    const int64_t words = TilesOfBf16::words_of(tile.head_size);
    for_each_block<kRows>(tile, rows, [&](const KeyBlock& block) {
      for (int64_t key = block.skip; key < block.keys; key += kRows) {
        Vec products[2 * kRows];
        multiply_words(words, tile.q, tile.ldq,
                       tile.packed_k + (block.begin + key) * words * kWordBytes, rows, products);
        tile_probabilities(tile, block, key, rows, products, by_lanes);
      }
      for (int64_t i = 0; i < rows; ++i) {
        sum[i] = sum_lanes(by_lanes[i]);
        inverse[i] = 1.0f / sum[i];
      }
      for (int64_t column = 0; column < tile.head_size; column += kRows) {
        tile_context(tile, block, column, rows, inverse);
      }
    });
    for (int64_t i = 0; i < rows; ++i) attend_row_again<TilesOfBf16, 2>(tile, i, sum[i]);
  }

 private:
  TileRegisters registers_;
};

}  // namespace
}  // namespace tamis::kernels
