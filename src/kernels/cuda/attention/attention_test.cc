// Both attentions on the emulator, against the reference: heads of all sizes, all that positions
// add, grouped heads, picked rows.
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "base/bf16.h"
#include "kernels/cuda/attention/attention_b16-inl.h"
#include "kernels/cuda/attention/attention_plain-inl.h"
#include "kernels/cuda/emulator/global_order.h"
#include "kernels/cuda/testing.h"
#include "kernels/reference/reference.h"

namespace tamis::cuda {
namespace {

using kernels::AttentionTerms;
using testing::Guarded;
using testing::random_floats;

struct Setting {
  int head_size = 32;
  int heads = 2;
  int kv_heads = 2;
  std::vector<int32_t> lengths = {70, 1, 0, 33};
  int64_t left = AttentionTerms::kAll;
  int64_t right = AttentionTerms::kAll;
  bool bias = false;
  bool disentangled = false;
  bool global = false;  // the first token of each sequence is seen by all
  int block_size = 0;
  int random_blocks = 0;
  bool rounded = true;
  Stored stored = Stored::kB16;  // of q, k and v
};

/// Tensors of a setting, q, k and v side by side, and the arrays of a batch.
struct Attention {
  explicit Attention(const Setting& s)
      : setting(s),
        width(s.heads * s.head_size),
        kv_width(s.kv_heads * s.head_size),
        ld(width + 2 * kv_width),
        cu_seqlens(static_cast<int64_t>(s.lengths.size()) + 1),
        bias(random_floats(int64_t{s.heads} * (2 * kReach + 1), 1, 2)),
        position_keys(random_floats(int64_t{kSlots} * width, 1, 3)),
        position_queries(random_floats(int64_t{kSlots} * width, 1, 4)),
        slots(2 * kReach + 1) {
    for (size_t i = 0; i < s.lengths.size(); ++i) {
      cu_seqlens[static_cast<int64_t>(i) + 1] = cu_seqlens[static_cast<int64_t>(i)] + s.lengths[i];
    }
    for (int d = -kReach; d <= kReach; ++d) slots[d + kReach] = (kReach - d) % kSlots;
    const auto values = random_floats(int64_t{tokens()} * ld, 1, 1);
    for (const float x : values.span()) {
      halves.push_back(float_to_bf16(x));
      // What comes as float32 is rounded by the kernel; values that are not bf16 show it.
      floats.push_back(s.stored == Stored::kB16 ? bf16_to_float(halves.back()) : x);
    }
    add_tiles();
  }

  [[nodiscard]] int tokens() const { return cu_seqlens[cu_seqlens.size() - 1]; }
  void add_tiles() {
    for (size_t s = 0; s < setting.lengths.size(); ++s) {
      const int32_t begin = cu_seqlens[static_cast<int64_t>(s)];
      const int32_t length = setting.lengths[s];
      for (int32_t row = 0; row < length; row += kAttentionRows) {
        tiles.push_back({begin + row, std::min(kAttentionRows, length - row), begin, length});
      }
      for (int32_t place = 0; place < length; ++place) {
        places.push_back(place);
        seen_by_all.push_back(place == 0 ? 1 : 0);
      }
    }
  }

  [[nodiscard]] AttentionTerms terms() const {
    AttentionTerms terms;
    terms.left = setting.left;
    terms.right = setting.right;
    if (setting.global) terms.global = kernels::GlobalRule::kFirst;
    terms.block_size = setting.block_size;
    terms.random_blocks = setting.random_blocks;
    if (setting.bias) {
      terms.bias = bias.data();
      terms.bias_reach = kReach;
    }
    if (setting.disentangled) {
      terms.position_keys = position_keys.data();
      terms.position_queries = position_queries.data();
      terms.position_rows = kSlots;
      terms.ld_positions = width;
      terms.slots = slots.data();
      terms.slot_reach = kReach;
    }
    return terms;
  }

  [[nodiscard]] std::vector<float> wanted() const {
    std::vector<float> out(static_cast<size_t>(tokens()) * static_cast<size_t>(width));
    for (size_t s = 0; s < setting.lengths.size(); ++s) {
      const kernels::AttentionWork work = {static_cast<int64_t>(s), 0, setting.heads, 0,
                                           setting.lengths[s],      0};
      if (setting.rounded) {
        run_rounded(work, out);
      } else {
        run_plain(work, out);
      }
    }
    return out;
  }
  template <typename Args>
  void put(Args& args, std::vector<float>& out) const {
    args.cu_seqlens = cu_seqlens.data();
    args.sequences = static_cast<int64_t>(setting.lengths.size());
    args.heads = setting.heads;
    args.kv_heads = setting.kv_heads;
    args.head_size = setting.head_size;
    args.scale = kScale;
    args.out = out.data();
    args.ldo = width;
    args.terms = terms();
  }
  void run_plain(const kernels::AttentionWork& work, std::vector<float>& out) const {
    kernels::AttentionArgs args;
    put(args, out);
    args.q = floats.data();
    args.k = floats.data() + width;
    args.v = floats.data() + width + kv_width;
    args.ldq = args.ldk = args.ldv = ld;
    kernels::reference::attention_rows(args, work);
  }
  void run_rounded(const kernels::AttentionWork& work, std::vector<float>& out) const {
    kernels::AttentionBf16Args args;
    put(args, out);
    args.q = {floats.data(), nullptr, ld};
    args.k = {floats.data() + width, nullptr, ld};
    args.v = {floats.data() + width + kv_width, nullptr, ld};
    kernels::reference::attention_bf16_rows(args, work);
  }

  [[nodiscard]] Values operand(int column) const {
    if (setting.stored == Stored::kB16) return {halves.data() + column, Stored::kB16};
    return {floats.data() + column, Stored::kF32};
  }
  [[nodiscard]] AttentionParams params(const int32_t* count, float* out) const {
    const AttentionTerms added = terms();
    AttentionParams p;
    p.tile_count = count;
    p.tiles = tiles.data();
    p.places = places.data();
    p.heads = setting.heads;
    p.group = setting.heads / setting.kv_heads;
    p.head_size = setting.head_size;
    p.scale = kScale;
    p.left = static_cast<int>(std::min<int64_t>(added.left, AttentionParams::kAllKeys));
    p.right = static_cast<int>(std::min<int64_t>(added.right, AttentionParams::kAllKeys));
    p.bias = added.bias;
    p.bias_reach = kReach;
    p.position_keys = added.position_keys;
    p.position_queries = added.position_queries;
    p.ld_positions = width;
    p.slots = slots.data();
    p.slot_reach = kReach;
    if (setting.global) p.seen_by_all = seen_by_all.data();
    p.block_size = setting.block_size;
    p.block_tokens = (5 + 2 * setting.random_blocks) * setting.block_size;
    p.block_gain = std::log1p(static_cast<float>(setting.random_blocks));
    p.rounded = setting.rounded;
    p.q = operand(0);
    p.k = operand(width);
    p.v = operand(width + kv_width);
    p.ldq = p.ldk = p.ldv = ld;
    p.out = {out, Stored::kF32};
    return p;
  }

  static constexpr int kReach = 9;
  static constexpr int kSlots = 7;
  static constexpr float kScale = 0.3f;

  Setting setting;
  int width, kv_width, ld;
  Guarded<int32_t> cu_seqlens;
  Guarded<float> bias, position_keys, position_queries;
  Guarded<int32_t> slots;
  alignas(16) std::vector<uint16_t> halves;
  std::vector<float> floats;
  std::vector<AttentionTile> tiles;
  std::vector<int32_t> places;
  std::vector<int32_t> seen_by_all;
};

template <typename Kernel>
void expect_near(const Setting& setting, int shared_bytes) {
  const Attention attention(setting);
  const std::vector<float> want = attention.wanted();
  Guarded<float> got(static_cast<int64_t>(want.size()));
  const auto tiles = static_cast<int32_t>(attention.tiles.size());
  const auto count = testing::number(tiles);
  for (uint64_t seed = 1; seed < 3; ++seed) {
    emulator::Options options;
    options.seed = seed;
    // One block more than there are tiles: it leaves at once.
    const emulator::Counters counters = testing::run<Kernel>(
        attention.params(count.data(), got.data()), static_cast<unsigned>(tiles) + 1,
        static_cast<unsigned>(setting.heads), kAttentionThreads, shared_bytes, options);
    EXPECT_EQ(counters.ldmatrix_cycles, counters.ldmatrix);
    // Each p and each sum may be rounded by half a unit of 8 bits, and |v| is up to 1.
    const double tolerance = setting.rounded ? 0x1p-7 : 1e-5;
    double worst = 0;
    for (int64_t i = 0; i < got.size(); ++i) {
      const double apart = std::abs(double{got[i]} - want[static_cast<size_t>(i)]);
      worst = std::max(worst, std::isnan(apart) ? 1e9 : apart);
    }
    EXPECT_LE(worst, tolerance) << "head size " << setting.head_size;
  }
}

template <int kSize>
void expect_b16(Setting setting) {
  for (const int size : {kSize, kSize - 8, kSize - 3}) {
    setting.head_size = size;
    expect_near<device::AttentionB16<kSize>>(setting, attention_shared_bytes(kSize));
  }
}

TEST(AttentionB16, TakesHeadsOfAllSizes) {
  Setting setting;
  setting.lengths = {66, 3};
  setting.heads = setting.kv_heads = 1;
  expect_b16<16>(setting);
  expect_b16<32>(setting);
  expect_b16<48>(setting);
  expect_b16<64>(setting);
  expect_b16<80>(setting);
  expect_b16<96>(setting);
  expect_b16<112>(setting);
  expect_b16<128>(setting);
}

/// What an attention may have beside its heads.
std::vector<Setting> settings() {
  Setting plain;
  plain.head_size = 16;
  plain.heads = plain.kv_heads = 4;
  std::vector<Setting> all(8, plain);
  all[1].kv_heads = 2;
  all[2].bias = true;
  all[3].right = 0;  // causal
  all[4].left = 3;
  all[4].right = 5;
  all[4].lengths = {150, 2};
  all[5].left = 70;
  all[5].right = 0;
  all[5].bias = true;
  all[5].lengths = {200};
  all[6].stored = Stored::kF32;
  all[7].kv_heads = 1;
  all[7].stored = Stored::kF32;
  all[7].left = 0;
  return all;
}

TEST(AttentionB16, AddsWhatPositionsAdd) {
  for (const Setting& setting : settings()) {
    expect_near<device::AttentionB16<16>>(setting, attention_shared_bytes(16));
  }
}

void expect_near_in_both_types(Setting setting) {
  for (const bool rounded : {true, false}) {
    setting.rounded = rounded;
    setting.stored = rounded ? Stored::kB16 : Stored::kF32;
    expect_near<device::AttentionPlain>(setting, kAttentionPlainSharedBytes);
  }
}

TEST(AttentionPlain, AddsWhatPositionsAdd) {
  for (Setting setting : settings()) {
    for (const bool rounded : {true, false}) {
      setting.rounded = rounded;
      if (!rounded) setting.stored = Stored::kF32;
      setting.lengths = {37, 1, 0, 5};
      expect_near<device::AttentionPlain>(setting, kAttentionPlainSharedBytes);
      setting.disentangled = true;
      setting.head_size = 7;
      expect_near<device::AttentionPlain>(setting, kAttentionPlainSharedBytes);
    }
  }
}

TEST(AttentionPlain, SeesTokensOutsideTheWindow) {
  Setting setting;
  setting.lengths = {100, 1, 0, 5};
  setting.left = 3;
  setting.right = 2;
  setting.global = true;
  expect_near_in_both_types(setting);
  Setting blocks;
  blocks.lengths = {150, 1, 0, 35, 36, 9};
  blocks.block_size = 5;
  blocks.random_blocks = 1;
  expect_near_in_both_types(blocks);
}

// Keys that are not seen are not read where none of their 32 is: a NaN among them stays there.
TEST(AttentionPlain, SkipsKeysThatNoneSees) {
  Setting setting;
  setting.heads = setting.kv_heads = 1;
  setting.head_size = 16;
  setting.lengths = {160};
  setting.left = 3;
  setting.right = 2;
  setting.global = true;
  Attention attention(setting);
  const auto count = testing::number(static_cast<int32_t>(attention.tiles.size()));
  const auto run = [&] {
    Guarded<float> out(160 * 16);
    testing::run<device::AttentionPlain>(attention.params(count.data(), out.data()),
                                         static_cast<unsigned>(attention.tiles.size()), 1,
                                         kAttentionThreads, kAttentionPlainSharedBytes);
    return out;
  };
  const Guarded<float> whole = run();
  for (int c = 0; c < 3 * 16; ++c) {
    attention.halves[static_cast<size_t>(80 * attention.ld + c)] = 0x7fc0;  // q, k and v of 80
  }
  const Guarded<float> part = run();
  for (int place = 0; place < 160; ++place) {
    const bool near = place >= 64 - 2 && place < 96 + 3;  // sees a key of those read with 80
    for (int c = 0; c < 16 && !near; ++c) {
      EXPECT_EQ(part[place * 16 + c], whole[place * 16 + c]) << place;
    }
    if (place >= 80 - 2 && place <= 80 + 3) {
      EXPECT_TRUE(std::isnan(part[place * 16])) << place;
    }
  }
}

/// Rows of a tile, quantized.
struct QuantizedRows {
  QuantizedRows(int rows, int ldq)
      : q(int64_t{rows} * ldq), scale(rows), low(rows), outliers(int64_t{rows} * 8) {}

  [[nodiscard]] bool same_bits(const QuantizedRows& other) const {
    return q.same_bits(other.q) && scale.same_bits(other.scale) && low.same_bits(other.low) &&
           outliers.same_bits(other.outliers);
  }

  Guarded<uint8_t> q;
  Guarded<float> scale, low, outliers;
};

/// How the rows that an attention makes are quantized.
struct Tail {
  explicit Tail(const Attention& attention)
      : rows(testing::number(attention.tokens())),
        width(attention.width),
        ldq((width + 127) / 128 * 128),
        multiply(random_floats(width, 1, 7)),
        offset(random_floats(width, 1, 8)),
        outlier_columns(2),
        finished(static_cast<int64_t>(attention.tiles.size())) {
    outlier_columns[1] = width - 1;
  }

  [[nodiscard]] RowsParams params(const float* x, QuantizedRows& to) {
    RowsParams params;
    params.rows = rows.data();
    params.width = width;
    params.x = {x, Stored::kF32};
    params.multiply = multiply.data();
    params.offset = offset.data();
    params.ldq = ldq;
    params.q = to.q.data();
    params.scale = to.scale.data();
    params.low = to.low.data();
    params.outliers = 2;
    params.outlier_columns = outlier_columns.data();
    params.outlier_values = to.outliers.data();
    return params;
  }

  Guarded<int32_t> rows;
  int width, ldq;
  Guarded<float> multiply, offset;
  Guarded<int32_t> outlier_columns;
  Guarded<uint32_t> finished;
};

// Some of the grid's blocks, in a thread of their own.
template <int kSize>
void launch_part(const AttentionParams& params, emulator::Dim grid, unsigned first, unsigned end,
                 const emulator::Options& options) {
  try {
    emulator::launch(
        {grid,
         {static_cast<unsigned>(kAttentionThreads)},
         static_cast<size_t>(attention_shared_bytes(kSize)),
         first,
         end},
        [&] { device::AttentionB16<kSize>::run(params); }, options);
  } catch (const emulator::Fault& fault) {  // out of the thread it would end the test
    ADD_FAILURE() << fault.what();
  }
}

// The grid at once, then its blocks on three threads, which share out the heads of a tile.
template <int kSize>
void expect_tail(Setting setting) {
  setting.head_size = kSize;
  const Attention attention(setting);
  const auto tiles = static_cast<unsigned>(attention.tiles.size());
  const auto count = testing::number(static_cast<int32_t>(tiles));
  const auto heads = static_cast<unsigned>(setting.heads);
  Tail tail(attention);
  Guarded<float> plain(int64_t{attention.tokens()} * attention.width);
  testing::run<device::AttentionB16<kSize>>(attention.params(count.data(), plain.data()), tiles,
                                            heads, kAttentionThreads,
                                            attention_shared_bytes(kSize));
  QuantizedRows alone(attention.tokens(), tail.ldq);
  testing::run<device::RowKernel<kWideRows>>(tail.params(plain.data(), alone),
                                             static_cast<unsigned>(attention.tokens()), 1,
                                             kWideRows.threads(), kWideRows.shared_bytes());
  for (const unsigned threads : {1u, 3u}) {
    emulator::GlobalOrder order;
    emulator::Options options;
    options.order = &order;
    options.seed = threads;
    Guarded<float> out(plain.size());
    QuantizedRows fused(attention.tokens(), tail.ldq);
    AttentionParams params = attention.params(count.data(), out.data());
    params.tail = {tail.finished.data(), tail.params(out.data(), fused)};
    // One column of blocks more than there are tiles: it leaves at once.
    const emulator::Dim grid = {tiles + 1, heads};
    const unsigned blocks = (tiles + 1) * heads;
    std::vector<std::thread> running;
    for (unsigned t = 0; t < threads; ++t) {
      running.emplace_back([&, t] {
        launch_part<kSize>(params, grid, blocks * t / threads, blocks * (t + 1) / threads, options);
      });
    }
    for (std::thread& thread : running) thread.join();
    EXPECT_TRUE(out.same_bits(plain)) << kSize << ", " << threads << " threads";
    EXPECT_TRUE(fused.same_bits(alone)) << kSize << ", " << threads << " threads";
    for (const uint32_t left : tail.finished.span()) EXPECT_EQ(left, 0u);
  }
}

// The last block of a tile's heads quantizes its rows: the bits of a row kernel of its own, ordered
// behind the other heads' stores.
TEST(AttentionB16, QuantizesTheRowsOfATile) {
  Setting setting;
  setting.heads = setting.kv_heads = 3;
  expect_tail<16>(setting);
  expect_tail<64>(setting);
  setting.heads = 12;  // of 96: more columns than a warp takes
  expect_tail<96>(setting);
}

TEST(AttentionPlain, TakesHeadsUpTo256) {
  Setting setting;
  setting.heads = setting.kv_heads = 1;
  setting.lengths = {34};
  setting.head_size = 256;
  expect_near<device::AttentionPlain>(setting, kAttentionPlainSharedBytes);
}

// A query of huge scores, and one whose values are not finite: NaN, and only there.
TEST(Attention, KeepsWhatIsNotFiniteToItsRow) {
  Setting setting;
  setting.heads = setting.kv_heads = 1;
  setting.head_size = 16;
  setting.lengths = {5};
  Attention attention(setting);
  attention.halves[0] = 0x7fc0;  // q of token 0
  for (int c = 0; c < 16; ++c) {
    attention.halves[static_cast<size_t>(attention.ld + c)] = 0x7e00;  // q of token 1: 4e37
  }
  const auto count = testing::number(1);
  for (const bool tiled : {true, false}) {
    Guarded<float> got(5 * 16);
    const AttentionParams params = attention.params(count.data(), got.data());
    if (tiled) {
      testing::run<device::AttentionB16<16>>(params, 1, 1, kAttentionThreads,
                                             attention_shared_bytes(16));
    } else {
      testing::run<device::AttentionPlain>(params, 1, 1, kAttentionThreads,
                                           kAttentionPlainSharedBytes);
    }
    EXPECT_TRUE(std::isnan(got[3]));
    EXPECT_TRUE(std::isfinite(got[16 + 3]));
    EXPECT_TRUE(std::isfinite(got[32 + 3]));
  }
}

}  // namespace
}  // namespace tamis::cuda
