// Each word of the vocabulary, against what PTX says it does.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/cuda/device.h"

namespace tamis::cuda {
namespace {

using emulator::Counters;
using emulator::launch;
using emulator::Options;

Options turing() {
  Options options;
  options.architecture = 75;
  return options;
}

TEST(Words, EachThreadHasItsPlace) {
  std::vector<int> seen(6 * 70, 0);
  launch({{3, 2}, {70}, 0}, [&] {
    const int block = device::block_y() * 3 + device::block_x();
    ++seen[static_cast<size_t>(block * 70 + device::thread_x())];
  });
  for (const int times : seen) EXPECT_EQ(times, 1);
}

TEST(Words, ShufflesExchangeLanes) {
  std::vector<int> got(64);
  launch({{1}, {64}, 0}, [&] {
    const int own = device::thread_x();
    got[static_cast<size_t>(own)] = device::shuffle_xor(own, 5);
  });
  for (int t = 0; t < 64; ++t) EXPECT_EQ(got[static_cast<size_t>(t)], t ^ 5);
  launch({{1}, {32}, 0}, [&] {
    const auto own = static_cast<float>(device::thread_x());
    EXPECT_EQ(device::warp_sum(own), 496.0f);
    EXPECT_EQ(device::warp_max(-own), 0.0f);
  });
}

TEST(Words, UniformIsTheFirstLanesValue) {
  launch({{1}, {64}, 0}, [] {
    const auto own = static_cast<uint32_t>(device::thread_x());
    EXPECT_EQ(device::uniform(own + 5), own / 32 * 32 + 5);
  });
}

TEST(Words, BarriersOrderSharedMemory) {
  std::vector<uint32_t> got(256);
  for (uint64_t seed = 1; seed < 20; ++seed) {
    Options options;
    options.seed = seed;
    const Counters counters = launch(
        {{1}, {256}, 1024},
        [&] {
          const auto t = static_cast<uint32_t>(device::thread_x());
          device::store_shared32(t * 4, t * 3);
          device::sync_block();
          got[t] = device::load_shared32((255 - t) * 4);
        },
        options);
    for (uint32_t t = 0; t < 256; ++t) EXPECT_EQ(got[t], (255 - t) * 3);
    EXPECT_EQ(counters.block_barriers, 1U);
    EXPECT_EQ(counters.shared_requests, 16U);
    EXPECT_EQ(counters.shared_cycles, 16U);
  }
}

TEST(Words, WarpBarriersOrderInsideAWarp) {
  launch({{1}, {64}, 512}, [&] {
    const auto t = static_cast<uint32_t>(device::thread_x());
    device::store_shared32(t * 4, t);
    device::sync_warp();
    EXPECT_EQ(device::load_shared32((t ^ 1) * 4), t ^ 1);
  });
}

TEST(Words, NamedBarriersHoldTheirThreadsOnly) {
  launch({{1}, {128}, 512}, [&] {
    const auto t = static_cast<uint32_t>(device::thread_x());
    if (t >= 64) return;  // the other warps do not come
    device::store_shared32(t * 4, t);
    device::sync_named(1, 64);
    EXPECT_EQ(device::load_shared32((63 - t) * 4), 63 - t);
  });
}

TEST(Words, VectorsMoveWhole) {
  alignas(16) const uint32_t from[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  alignas(16) uint32_t to[4] = {};
  launch({{1}, {1}, 64}, [&] {
    const auto words = device::load_global(reinterpret_cast<const device::Vec4*>(from + 4));
    device::store_shared128(16, words);
    EXPECT_EQ(device::load_shared64(24).y, 8U);
    const device::Vec4 back = device::load_shared128(16);
    device::store_global(reinterpret_cast<device::Vec4*>(to), back);
    const auto pair = device::load_global(reinterpret_cast<const device::Vec2*>(from + 2));
    EXPECT_EQ(pair.x + pair.y, 7U);
  });
  EXPECT_EQ(std::vector<uint32_t>(to, to + 4), (std::vector<uint32_t>{5, 6, 7, 8}));
}

// Matrix m, row r, column c holds m * 64 + r * 8 + c.
TEST(Words, LoadMatricesByLanes) {
  for (const bool transposed : {false, true}) {
    const Counters counters = launch({{1}, {32}, 512}, [&] {
      const int lane = device::thread_x();
      for (uint32_t w = 0; w < 4; ++w) {
        const auto first = static_cast<uint32_t>(lane * 8) + w * 2;
        device::store_shared32(static_cast<uint32_t>(lane) * 16 + w * 4, first | (first + 1) << 16);
      }
      device::sync_block();
      uint32_t r[4];
      const auto address = static_cast<uint32_t>(lane) * 16;
      if (transposed) {
        device::load_matrices_transposed(r, address);
      } else {
        device::load_matrices(r, address);
      }
      for (int m = 0; m < 4; ++m) {
        for (int e = 0; e < 2; ++e) {
          const int row = transposed ? lane % 4 * 2 + e : lane / 4;
          const int column = transposed ? lane / 4 : lane % 4 * 2 + e;
          EXPECT_EQ(r[m] >> (16 * e) & 0xffff, static_cast<uint32_t>(m * 64 + row * 8 + column));
        }
      }
    });
    EXPECT_EQ(counters.ldmatrix, 4U);
    EXPECT_EQ(counters.ldmatrix_cycles, 4U);
  }
}

TEST(Words, RowsInOneGroupOfBanksCostCycles) {
  const Counters counters = launch({{1}, {32}, 4096}, [&] {
    const auto lane = static_cast<uint32_t>(device::thread_x());
    device::store_shared128(lane * 128, {lane, 0, 0, 0});
    device::sync_block();
    uint32_t r[4];
    device::load_matrices(r, lane * 128);
  });
  EXPECT_EQ(counters.ldmatrix_cycles, 32U);
}

/// Fragments of random matrices by the layouts of PTX ISA 9.7.14, and the product by loops.
struct IntegerProduct {
  uint8_t a[16][32];
  int8_t b[32][8];

  explicit IntegerProduct(uint32_t seed) {
    std::mt19937 random(seed);
    for (auto& row : a) {
      for (auto& value : row) value = static_cast<uint8_t>(random());
    }
    for (auto& row : b) {
      for (auto& value : row) value = static_cast<int8_t>(random());
    }
  }
  [[nodiscard]] uint32_t a_fragment(int lane, int r) const {
    uint32_t word = 0;
    for (int e = 0; e < 4; ++e) {
      const int row = lane / 4 + (r == 1 || r == 3 ? 8 : 0);
      const int column = lane % 4 * 4 + e + (r >= 2 ? 16 : 0);
      word |= uint32_t{a[row][column]} << (8 * e);
    }
    return word;
  }
  [[nodiscard]] uint32_t b_fragment(int lane, int r) const {
    uint32_t word = 0;
    for (int e = 0; e < 4; ++e) {
      const auto byte = static_cast<uint8_t>(b[lane % 4 * 4 + e + r * 16][lane / 4]);
      word |= uint32_t{byte} << (8 * e);
    }
    return word;
  }
  [[nodiscard]] int32_t product(int row, int column) const {
    int32_t sum = 0;
    for (int k = 0; k < 32; ++k) sum += int32_t{a[row][k]} * b[k][column];
    return sum;
  }
};

TEST(Words, MultipliesBytes) {
  for (const Options& options : {Options{}, turing()}) {
    const IntegerProduct test(7);
    const Counters counters = launch(
        {{1}, {32}, 0},
        [&] {
          const int lane = device::thread_x();
          int32_t d[4] = {1, 2, 3, 4};
          const uint32_t a[4] = {test.a_fragment(lane, 0), test.a_fragment(lane, 1),
                                 test.a_fragment(lane, 2), test.a_fragment(lane, 3)};
          device::multiply_u8s8(d, a, test.b_fragment(lane, 0), test.b_fragment(lane, 1));
          for (int r = 0; r < 4; ++r) {
            const int row = lane / 4 + (r >= 2 ? 8 : 0);
            EXPECT_EQ(d[r], r + 1 + test.product(row, lane % 4 * 2 + r % 2));
          }
        },
        options);
    EXPECT_EQ(counters.mma, 1U);
  }
}

TEST(Words, MultipliesSixteenBitFloats) {
  for (const Options& options : {Options{}, turing()}) {
    float a[16][16];
    float b[16][8];
    std::mt19937 random(3);
    // Small integers and halves are exact in either format.
    for (auto& row : a) {
      for (auto& value : row) value = static_cast<float>(random() % 9) - 4;
    }
    for (auto& row : b) {
      for (auto& value : row) value = (static_cast<float>(random() % 9) - 4) / 2;
    }
    launch(
        {{1}, {32}, 0},
        [&] {
          const int lane = device::thread_x();
          const int row = lane / 4;
          const int pair = lane % 4 * 2;
          float d[4] = {0, 0, 0, 0};
          const uint32_t fragments[4] = {
              device::pack_b16(a[row][pair], a[row][pair + 1]),
              device::pack_b16(a[row + 8][pair], a[row + 8][pair + 1]),
              device::pack_b16(a[row][pair + 8], a[row][pair + 9]),
              device::pack_b16(a[row + 8][pair + 8], a[row + 8][pair + 9])};
          device::multiply_b16(d, fragments, device::pack_b16(b[pair][row], b[pair + 1][row]),
                               device::pack_b16(b[pair + 8][row], b[pair + 9][row]));
          for (int r = 0; r < 4; ++r) {
            float want = 0;
            for (int k = 0; k < 16; ++k) want += a[row + r / 2 * 8][k] * b[k][pair + r % 2];
            EXPECT_EQ(d[r], want);
          }
        },
        options);
  }
}

TEST(Words, CopiesArriveWhenTheyAreWaitedFor) {
  alignas(16) uint8_t from[64];
  for (int i = 0; i < 64; ++i) from[i] = static_cast<uint8_t>(i + 1);
  for (const Options& options : {Options{}, turing()}) {
    const Counters counters = launch(
        {{1}, {1}, 64},
        [&] {
          device::copy_async(0, from, 16);
          device::copy_commit();
          device::copy_async(16, from + 16, 5);
          device::copy_async(32, from, 0);
          device::copy_commit();
          device::copy_wait<1>();
          EXPECT_EQ(device::load_shared32(0), 0x04030201U);
          if (options.architecture >= 80) {
            EXPECT_EQ(device::load_shared32(16), 0xA5A5A5A5U) << "on its way";
          }
          device::copy_wait<0>();
          EXPECT_EQ(device::load_shared32(16), 0x14131211U);
          EXPECT_EQ(device::load_shared32(20), 0x15U) << "behind the valid bytes";
          EXPECT_EQ(device::load_shared32(32), 0U);
        },
        options);
    EXPECT_EQ(counters.copies, 3U);
  }
}

TEST(Words, FloatsRoundOnceAndToEven) {
  launch({{1}, {1}, 0}, [&] {
    EXPECT_EQ(device::round_even(2.5f), 2);
    EXPECT_EQ(device::round_even(-3.5f), -4);
    EXPECT_EQ(device::fma_rn(1 + 0x1p-12f, 1 - 0x1p-12f, -1.0f), -0x1p-24f);
    EXPECT_EQ(device::max_of(NAN, 1.0f), 1.0f);
    EXPECT_EQ(device::float_of(device::bits_of(-0.0f)), 0.0f);
    EXPECT_EQ(device::exp2_fast(3.0f), 8.0f);
    EXPECT_EQ(device::div_rn(1, device::sqrt_rn(4)), 0.5f);
  });
}

TEST(Words, HalvesAreHeldToWhatTheyHold) {
  for (const int architecture : {75, 80}) {
    emulator::Options options;
    options.architecture = architecture;
    emulator::launch(
        {{1}, {1}, 0},
        [] {
          const float infinity = std::numeric_limits<float>::infinity();
          EXPECT_EQ(device::pack_f16_held(1.0f, -2.0f), 0xc0003c00u);
          EXPECT_EQ(device::pack_f16_held(65519.9f, 65520.0f), 0x7bff7bffu);
          EXPECT_EQ(device::pack_f16_held(infinity, -infinity), 0xfbff7bffu);
          EXPECT_EQ(device::pack_f16_held(-0.0f, 0.0f), 0x00008000u);
          EXPECT_GT(device::pack_f16_held(std::nanf(""), 0) & 0x7fff, 0x7c00u);
        },
        options);
  }
}

TEST(Words, SectorsAreCounted) {
  alignas(128) static float values[1024] = {};
  const Counters dense = launch({{1}, {32}, 0}, [&] {
    (void)device::load_global(values + device::thread_x());
    device::sync_warp();
  });
  EXPECT_EQ(dense.global_sectors, 4U);
  EXPECT_EQ(dense.global_bytes, 128U);
  const Counters apart = launch({{1}, {32}, 0}, [&] {
    (void)device::load_global(values + device::thread_x() * 32);
    device::sync_warp();
  });
  EXPECT_EQ(apart.global_sectors, 32U);
}

}  // namespace
}  // namespace tamis::cuda
