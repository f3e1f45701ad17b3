// Rows that a product's last block quantizes or normalizes: the bits of a row kernel of its own,
// whatever the order of blocks, and each of them ordered behind the others' stores.
#include "kernels/cuda/rows/row_tail-inl.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <thread>

#include "kernels/cuda/emulator/global_order.h"
#include "kernels/cuda/gemm_s8/gemm_s8-inl.h"
#include "kernels/cuda/gemm_s8/gemm_s8_hopper-inl.h"
#include "kernels/cuda/testing.h"

namespace tamis::cuda {
namespace {

using testing::Guarded;
using testing::random_floats;

/// What quantized rows consist of.
struct Copy {
  Copy(int rows, int columns, int ldq)
      : q(int64_t{rows} * ldq),
        scale(rows),
        low(rows),
        outliers(rows * 8),
        y(int64_t{rows} * columns) {}

  void point(RowsParams& params) {
    params.q = q.data();
    params.scale = scale.data();
    params.low = low.data();
    params.outlier_values = outliers.data();
  }
  [[nodiscard]] bool same_bits(const Copy& other) const {
    return q.same_bits(other.q) && scale.same_bits(other.scale) && low.same_bits(other.low) &&
           outliers.same_bits(other.outliers) && y.same_bits(other.y);
  }

  Guarded<uint8_t> q;
  Guarded<float> scale, low, outliers;
  Guarded<float> y;  // where there is a norm
};

/// A product with an activation, whose result is quantized.
struct Layer {
  Layer(int rows, int columns, bool with_shift, Stored kept)
      : m(testing::number(rows)),
        n(columns),
        ldq((columns + 127) / 128 * 128),
        a(int64_t{rows} * 128),
        w(int64_t{columns} * 128),
        scale(random_floats(rows, 0.01f, 1)),
        low(random_floats(rows, 1, 2)),
        weight_scale(random_floats(columns, 0.01f, 3)),
        colsum(random_floats(columns, 10, 4)),
        bias(random_floats(columns, 1, 5)),
        fit(random_floats(49, 1, 6)),
        multiply(random_floats(columns, 1, 7)),
        offset(random_floats(columns, 1, 8)),
        residual(random_floats(int64_t{rows} * columns, 1, 10)),
        outlier_columns(2),
        c(int64_t{rows} * columns),
        finished(rows / 16 + 1),
        shifted(with_shift),
        stored(kept) {
    std::mt19937 random(9);
    for (int64_t i = 0; i < a.size(); ++i) a[i] = static_cast<uint8_t>(random());
    for (int64_t i = 0; i < w.size(); ++i) w[i] = static_cast<int8_t>(random() % 255 - 127);
    outlier_columns[0] = 1;
    outlier_columns[1] = columns - 1;
  }

  [[nodiscard]] RowsParams rows(Copy& copy) {
    RowsParams params;
    params.rows = m.data();
    params.width = n;
    params.x = {c.data(), stored};
    params.ldq = ldq;
    params.multiply = shifted ? multiply.data() : nullptr;
    params.offset = shifted ? offset.data() : nullptr;
    params.outliers = shifted ? 2 : 0;
    params.outlier_columns = outlier_columns.data();
    copy.point(params);
    if (!normed) return params;
    params.residual = shifted ? residual.data() : nullptr;
    params.norm = RowNorm::kLayer;
    params.epsilon = 1e-5f;
    params.gamma = weight_scale.data();
    params.beta = bias.data();
    params.y = {copy.y.data(), Stored::kF32};
    return params;
  }
  [[nodiscard]] GemmS8Params product(Copy& copy) {
    GemmS8Params params;
    params.m = m.data();
    params.k = params.lda = params.ldw = 128;
    params.a = a.data();
    params.w = w.data();
    params.scale = scale.data();
    params.low = low.data();
    params.weight_scale = weight_scale.data();
    params.colsum = colsum.data();
    const Activation activation = normed ? Activation::kNone : Activation::kGelu;
    params.epilogue = {n, activation, fit.data(), bias.data(), nullptr, {c.data(), stored}};
    params.tail = {finished.data(), rows(copy)};
    return params;
  }

  Guarded<int32_t> m;
  int n;
  int ldq;
  Guarded<uint8_t> a;
  Guarded<int8_t> w;
  Guarded<float> scale, low, weight_scale, colsum, bias, fit, multiply, offset, residual;
  Guarded<int32_t> outlier_columns;
  Guarded<float> c;  // as wide as the widest that is stored
  Guarded<uint32_t> finished;
  bool shifted;
  Stored stored;
  bool normed = false;
};

/// A product's tile and kernel.
template <GemmTile kTile, GemmActivation kActivation>
struct OnTile {
  static constexpr int kRows = kTile.rows;
  static constexpr int kColumns = kTile.columns;
  static constexpr int kThreads = kTile.threads();
  static constexpr int kSharedBytes = kTile.shared_bytes();
  static constexpr int kArchitecture = 80;

  explicit OnTile(const GemmS8Params& given) : params(given) {}
  void run() const { device::GemmS8<kTile, kActivation>::run(params); }
  [[nodiscard]] int rows() const { return *params.m; }

  GemmS8Params params;
};
template <GemmActivation kActivation>
struct OnHopper {
  static constexpr int kRows = HopperTile::rows;
  static constexpr int kColumns = kHopperTile.columns;
  static constexpr int kThreads = kHopperTile.threads();
  static constexpr int kSharedBytes = kHopperTile.shared_bytes();
  static constexpr int kArchitecture = 90;

  explicit OnHopper(const GemmS8Params& given)
      : params{testing::map_rows(given.a, *given.m, given.lda, kRows),
               testing::map_rows(given.w, given.epilogue.n, given.ldw, kColumns), given} {}
  void run() const { device::GemmS8Hopper<kHopperTile, kActivation>::run(params); }
  [[nodiscard]] int rows() const { return *params.product.m; }

  GemmS8HopperParams params;
};

template <typename Kernel>
void launch_part(const Kernel& kernel, unsigned first, unsigned end, int columns,
                 const emulator::Options& options) {
  const emulator::Dim grid = {testing::blocks(columns, Kernel::kColumns),
                              testing::blocks(kernel.rows(), Kernel::kRows)};
  const emulator::Launch launch = {grid,
                                   {static_cast<unsigned>(Kernel::kThreads)},
                                   static_cast<size_t>(Kernel::kSharedBytes),
                                   first,
                                   end};
  try {
    emulator::launch(
        launch, [&] { kernel.run(); }, options);
  } catch (const emulator::Fault& fault) {  // out of a thread of its own it would end the test
    ADD_FAILURE() << fault.what();
  }
}

void run_alone(Layer& layer, Copy& copy) {
  const RowsParams params = layer.rows(copy);
  const auto rows = static_cast<unsigned>(layer.m[0]);
  if (layer.normed) {
    testing::run<device::RowKernel<kNarrowRows>>(params, (rows + 3) / 4, 1, kNarrowRows.threads(),
                                                 kNarrowRows.shared_bytes());
  } else {
    testing::run<device::RowKernel<kWideRows>>(params, rows, 1, kWideRows.threads(),
                                               kWideRows.shared_bytes());
  }
}

// The grid at once, then its blocks on three threads, which share out the row tiles' blocks.
template <typename Kernel>
void expect_same_as_alone(Layer& layer, const char* tile) {
  const int rows = layer.m[0];
  const unsigned blocks =
      testing::blocks(layer.n, Kernel::kColumns) * testing::blocks(rows, Kernel::kRows);
  for (const unsigned threads : {1u, 3u}) {
    emulator::GlobalOrder order;
    emulator::Options options = testing::on_hopper(threads);
    options.architecture = Kernel::kArchitecture;
    options.order = &order;
    Copy fused(rows, layer.n, layer.ldq);
    Copy alone(rows, layer.n, layer.ldq);
    const Kernel kernel(layer.product(fused));
    std::vector<std::thread> running;
    for (unsigned t = 0; t < threads; ++t) {
      running.emplace_back([&, t] {
        launch_part(kernel, blocks * t / threads, blocks * (t + 1) / threads, layer.n, options);
      });
    }
    for (std::thread& thread : running) thread.join();
    run_alone(layer, alone);
    EXPECT_TRUE(fused.same_bits(alone))
        << tile << ": " << rows << " x " << layer.n << ", " << threads << " threads";
    for (int64_t i = 0; i < layer.finished.size(); ++i) EXPECT_EQ(layer.finished[i], 0u) << i;
  }
}

void expect_same_on_every_tile(Layer& layer) {
  constexpr auto kGelu = GemmActivation::kShortGelu;
  expect_same_as_alone<OnTile<kLargeTile, kGelu>>(layer, "large");
  expect_same_as_alone<OnTile<kLargeFewTile, kGelu>>(layer, "large, few warps");
  expect_same_as_alone<OnTile<kMiddleTile, kGelu>>(layer, "middle");
  expect_same_as_alone<OnTile<kSmallTile, kGelu>>(layer, "small");
  expect_same_as_alone<OnTile<kMiddleTile, GemmActivation::kAny>>(layer, "middle, any");
  expect_same_as_alone<OnHopper<kGelu>>(layer, "hopper");
  expect_same_as_alone<OnHopper<GemmActivation::kAny>>(layer, "hopper, any");
}

TEST(RowTail, HasTheBitsOfARowKernel) {
  for (const int rows : {1, 37, 129}) {
    Layer layer(rows, 200, rows == 37, Stored::kF16);
    expect_same_on_every_tile(layer);
  }
}

TEST(RowTail, TakesRowsThatABlockShares) {
  Layer layer(5, 1100, true, Stored::kB16);
  expect_same_on_every_tile(layer);
}

TEST(RowTail, TakesFloatsAndWidthsThatAreNoFours) {
  Layer layer(18, 70, true, Stored::kF32);
  expect_same_on_every_tile(layer);
}

TEST(RowTail, NormalizesAsARowKernel) {
  constexpr auto kNone = GemmActivation::kNone;
  for (const int rows : {1, 37, 129}) {
    for (const int columns : {70, 200}) {
      Layer layer(rows, columns, rows == 37, rows == 1 ? Stored::kF16 : Stored::kF32);
      layer.normed = true;
      expect_same_as_alone<OnTile<kLargeTile, kNone>>(layer, "large");
      expect_same_as_alone<OnTile<kLargeFewTile, kNone>>(layer, "large, few warps");
      expect_same_as_alone<OnTile<kMiddleTile, kNone>>(layer, "middle");
      expect_same_as_alone<OnTile<kSmallTile, kNone>>(layer, "small");
      expect_same_as_alone<OnHopper<kNone>>(layer, "hopper");
    }
  }
}

// A row whose values are not finite says so, as a row kernel's.
TEST(RowTail, SaysThatARowIsNotFinite) {
  Layer layer(20, 64, false, Stored::kF16);
  layer.scale[7] = std::nanf("");
  expect_same_on_every_tile(layer);
}

// Each order that the kernels keep, left out.
enum class Mistake { kNone, kNoBarrier, kNoFenceBefore, kNoFenceBehind, kOldLoad };

// Each of two blocks stores a row; the last reads both.
std::string fault_of(Mistake mistake) {
  uint32_t finished = 0;
  uint32_t rows[2][64] = {};
  emulator::GlobalOrder order;
  emulator::Options options;
  options.order = &order;
  const auto body = [&] {
    const int thread = device::thread_x();
    device::store_global(&rows[device::block_x()][thread], 7u);
    if (mistake != Mistake::kNoBarrier) device::sync_block();
    if (thread == 0) {
      if (mistake != Mistake::kNoFenceBefore) device::fence_device();
      device::store_shared32(0, device::count_up(&finished));
      if (mistake != Mistake::kNoFenceBehind) device::fence_device();
    }
    device::sync_block();
    if (device::load_shared32(0) != 1) return;
    const uint32_t* other = &rows[0][thread ^ 33];
    if (mistake == Mistake::kOldLoad) {
      (void)device::load_global(other);
    } else {
      (void)device::load_fresh(other);
    }
  };
  try {
    emulator::launch({{2}, {64}, 64}, body, options);
  } catch (const emulator::Fault& fault) {
    return fault.what();
  }
  return "";
}

TEST(RowTail, TheEmulatorSeesAnOrderLeftOut) {
  EXPECT_EQ(fault_of(Mistake::kNone), "");
  for (const Mistake mistake :
       {Mistake::kNoBarrier, Mistake::kNoFenceBefore, Mistake::kNoFenceBehind}) {
    EXPECT_NE(fault_of(mistake).find("nothing orders them"), std::string::npos)
        << static_cast<int>(mistake);
  }
  EXPECT_NE(fault_of(Mistake::kOldLoad).find("what this launch wrote"), std::string::npos);
}

// Blocks that OS threads run count in one order: who finds the others counted sees what they
// stored. More threads than cores, so that some stop anywhere.
TEST(RowTail, ThreadsThatCountAtOnceAreOrdered) {
  constexpr unsigned kBlocks = 8;
  constexpr size_t kRounds = 400;
  std::array<std::array<uint32_t, kBlocks>, kRounds> stored = {};
  std::array<uint32_t, kRounds> finished = {};
  std::atomic<size_t> lasts = 0;
  std::barrier<> round(kBlocks);
  std::array<emulator::GlobalOrder, kRounds> orders;
  const auto run_block = [&](unsigned block) {
    for (size_t i = 0; i < kRounds; ++i) {
      emulator::Options options;
      options.order = &orders[i];
      const auto body = [&] {
        device::store_global(&stored[i][block], 7u);
        device::fence_device();
        round.arrive_and_wait();
        const bool last = device::count_up(&finished[i]) + 1 == kBlocks;
        device::fence_device();
        if (!last) return;
        ++lasts;
        for (const uint32_t& other : stored[i]) EXPECT_EQ(device::load_fresh(&other), 7u);
      };
      try {
        emulator::launch({{kBlocks}, {1}, 0, block, block + 1}, body, options);
      } catch (const emulator::Fault& fault) {
        ADD_FAILURE() << fault.what();
      }
    }
  };
  std::vector<std::thread> running;
  for (unsigned block = 0; block < kBlocks; ++block) running.emplace_back(run_block, block);
  for (std::thread& thread : running) thread.join();
  EXPECT_EQ(lasts, kRounds);
}

TEST(RowTail, TheEmulatorSeesWritesOfTwoBlocks) {
  uint32_t word = 0;
  emulator::GlobalOrder order;
  emulator::Options options;
  options.order = &order;
  EXPECT_THROW(emulator::launch(
                   {{2}, {1}, 0}, [&] { device::store_global(&word, 1u); }, options),
               emulator::Fault);
}

TEST(RowTail, CountsUpFromWhatIsThere) {
  uint32_t counter = 5;
  emulator::launch({{3}, {32}, 0}, [&] { (void)device::count_up(&counter); });
  EXPECT_EQ(counter, 5u + 96u);
}

}  // namespace
}  // namespace tamis::cuda
