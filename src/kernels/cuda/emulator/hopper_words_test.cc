// Each word of device_hopper.h, against what PTX says it does.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "kernels/cuda/device_hopper.h"
#include "kernels/cuda/emulator/boxed_rows.h"
#include "kernels/cuda/testing.h"

namespace tamis::cuda {
namespace {

using emulator::BoxedRows;
using emulator::Counters;
using emulator::launch;
using testing::Guarded;

constexpr uint32_t kBarrier = 64 * 1024;
constexpr size_t kShared = kBarrier + 64;

uint32_t own() { return static_cast<uint32_t>(device::thread_x()); }

/// Rows of random bytes, in boxes of 128 bytes.
struct Matrix {
  Matrix(int64_t count, int64_t width, uint32_t box, bool mixed, uint32_t seed)
      : bytes(count * width) {
    std::mt19937 random(seed);
    for (uint8_t& byte : bytes.span()) byte = static_cast<uint8_t>(random());
    rows = {bytes.data(),
            static_cast<uint64_t>(width),
            static_cast<uint64_t>(count),
            static_cast<uint64_t>(width),
            128,
            box,
            mixed};
    map = *emulator::make_map(rows);
  }
  [[nodiscard]] uint8_t at(uint64_t row, uint64_t column) const {
    return bytes[static_cast<int64_t>(row * rows.stride + column)];
  }

  Guarded<uint8_t> bytes;
  BoxedRows rows;
  TensorMap map;
};

// A barrier of so many arrivals, for a block.
void make_barrier(uint32_t arrivals, uint32_t at = kBarrier) {
  if (own() == 0) {
    device::mbarrier_init(at, arrivals);
    device::fence_mbarrier_init();
  }
  device::sync_block();
}

TEST(HopperWords, MbarriersOrderThoseWhoArriveBeforeThoseWhoWait) {
  for (uint64_t seed = 1; seed < 10; ++seed) {
    launch(
        {{1}, {128}, kShared},
        [] {
          make_barrier(64);
          for (uint32_t phase = 0; phase < 5; ++phase) {
            if (own() < 64) {
              device::store_shared32(phase * 256 + own() * 4, own() + phase);
              device::mbarrier_arrive(kBarrier);
            }
            device::mbarrier_wait(kBarrier, phase % 2);
            const uint32_t other = 63 - own() % 64;
            EXPECT_EQ(device::load_shared32(phase * 256 + other * 4), other + phase);
            device::sync_block();
          }
        },
        testing::on_hopper(seed));
  }
}

TEST(HopperWords, ThePhaseBeforeTheFirstIsComplete) {
  launch(
      {{1}, {1}, kShared},
      [] {
        make_barrier(1);
        device::mbarrier_wait(kBarrier, 1);
        device::mbarrier_arrive(kBarrier);
        device::mbarrier_wait(kBarrier, 0);
      },
      testing::on_hopper());
}

// Whether the bytes of a box at the place are the matrix's from (byte, row) on, and zeros outside.
void expect_box(const Matrix& matrix, uint32_t to, int byte, int row) {
  for (uint32_t r = 0; r < matrix.rows.box_rows; ++r) {
    for (uint32_t b = 0; b < 128; b += 4) {
      const uint32_t chunk = matrix.rows.swizzled ? b / 16 ^ r % 8 : b / 16;
      const uint32_t got = device::load_shared32(to + r * 128 + chunk * 16 + b % 16);
      for (uint32_t i = 0; i < 4; ++i) {
        const int64_t column = int64_t{byte} + b + i;
        const int64_t line = int64_t{row} + r;
        const bool there = column >= 0 && column < static_cast<int64_t>(matrix.rows.row_bytes) &&
                           line >= 0 && line < static_cast<int64_t>(matrix.rows.rows);
        const uint8_t want =
            there ? matrix.at(static_cast<uint64_t>(line), static_cast<uint64_t>(column)) : 0;
        EXPECT_EQ(got >> (8 * i) & 0xff, want) << "row " << r << ", byte " << b + i;
      }
    }
  }
}

TEST(HopperWords, BoxesLieAsTheMapSaysWithZerosOutside) {
  for (const bool mixed : {false, true}) {
    const Matrix matrix(21, 208, 16, mixed, 3);
    const Counters counters = launch(
        {{1}, {1}, kShared},
        [&] {
          make_barrier(1);
          device::mbarrier_arrive_expecting(kBarrier, 3 * 16 * 128);
          device::copy_box(0, matrix.map, 0, 0, kBarrier);
          device::copy_box(2048, matrix.map, 128, 16, kBarrier);
          device::copy_box(4096, matrix.map, -16, -2, kBarrier);
          device::mbarrier_wait(kBarrier, 0);
          expect_box(matrix, 0, 0, 0);
          expect_box(matrix, 2048, 128, 16);
          expect_box(matrix, 4096, -16, -2);
        },
        testing::on_hopper());
    EXPECT_EQ(counters.boxes, 3u);
    // 16 rows of 4 sectors, 5 of 80 bytes, 14 of 112.
    EXPECT_EQ(counters.global_bytes, 16u * 128 + 5 * 80 + 14 * 112);
    EXPECT_EQ(counters.global_sectors, 16u * 4 + 5 * 3 + 14 * 4);
  }
}

TEST(HopperWords, MapsAreThoseThatACopyingUnitTakes) {
  alignas(16) static const unsigned char bytes[64] = {};
  const BoxedRows good = {bytes, 20, 3, 32, 128, 8, true};
  EXPECT_TRUE(emulator::make_map(good).has_value());
  const auto refused = [&](auto change) {
    BoxedRows rows = good;
    change(rows);
    return !emulator::make_map(rows).has_value();
  };
  EXPECT_TRUE(refused([](BoxedRows& r) { r.data = bytes + 8; }));
  EXPECT_TRUE(refused([](BoxedRows& r) { r.data = nullptr; }));
  EXPECT_TRUE(refused([](BoxedRows& r) { r.stride = 40; }));
  EXPECT_TRUE(refused([](BoxedRows& r) { r.stride = 16; }));
  EXPECT_TRUE(refused([](BoxedRows& r) { r.rows = 0; }));
  EXPECT_TRUE(refused([](BoxedRows& r) { r.row_bytes = 0; }));
  EXPECT_TRUE(refused([](BoxedRows& r) { r.box_rows = 257; }));
  EXPECT_TRUE(refused([](BoxedRows& r) { r.box_rows = 0; }));
  EXPECT_TRUE(refused([](BoxedRows& r) { r.box_bytes = 64; })) << "swizzled in rows of 128";
  EXPECT_FALSE(emulator::read_map(TensorMap{}).has_value());
}

// What a lane has of the product of a u8 [64, depth] and b s8 [columns, depth].
int32_t product(const Matrix& a, const Matrix& b, int thread, int at, int depth) {
  const int row = thread / 32 * 16 + thread % 32 / 4 + at % 4 / 2 * 8;
  const int column = at / 4 * 8 + thread % 4 * 2 + at % 2;
  int32_t sum = 0;
  for (int k = 0; k < depth; ++k) {
    const auto place = static_cast<uint64_t>(k);
    sum += int32_t{a.at(static_cast<uint64_t>(row), place)} *
           static_cast<int8_t>(b.at(static_cast<uint64_t>(column), place));
  }
  return sum;
}

// Copies both operands, a at 0 and b behind it, and waits.
constexpr uint32_t kOperandB = 64 * 128;
void fetch(const Matrix& a, const Matrix& b) {
  make_barrier(1);
  if (own() == 0) {
    device::mbarrier_arrive_expecting(kBarrier, a.rows.bytes() + b.rows.bytes());
    device::copy_box(0, a.map, 0, 0, kBarrier);
    device::copy_box(kOperandB, b.map, 0, 0, kBarrier);
  }
  device::mbarrier_wait(kBarrier, 0);
}

template <int kColumns>
void expect_products() {
  const Matrix a(64, 128, 64, true, 1);
  const Matrix b(kColumns, 128, kColumns, true, 2);
  const Counters counters = launch(
      {{1}, {128}, kShared},
      [&] {
        fetch(a, b);
        int32_t d[kColumns / 2];
        for (int i = 0; i < kColumns / 2; ++i) d[i] = i;
        device::wgmma_fence();
        for (uint32_t k = 0; k < 128; k += 32) {
          device::wgmma_u8s8(d, device::swizzled_operand(k),
                             device::swizzled_operand(kOperandB + k));
        }
        device::wgmma_commit();
        EXPECT_EQ(d[5], static_cast<int32_t>(0xA5A5A5A5)) << "on its way";
        device::wgmma_wait<0>();
        for (int i = 0; i < kColumns / 2; ++i) {
          EXPECT_EQ(d[i], i + product(a, b, device::thread_x(), i, 128));
        }
      },
      testing::on_hopper());
  EXPECT_EQ(counters.wgmma, 16u);
}

TEST(HopperWords, WarpgroupsMultiply) {
  expect_products<128>();
  expect_products<256>();
}

TEST(HopperWords, GroupsOfProductsEndInOrder) {
  const Matrix a(64, 128, 64, true, 1);
  const Matrix b(128, 128, 128, true, 2);
  launch(
      {{1}, {128}, kShared},
      [&] {
        fetch(a, b);
        int32_t first[64] = {};
        int32_t second[64] = {};
        for (auto* d : {&first, &second}) {
          device::wgmma_fence();
          device::wgmma_u8s8(*d, device::swizzled_operand(0), device::swizzled_operand(kOperandB));
          device::wgmma_commit();
        }
        device::wgmma_wait<1>();
        EXPECT_EQ(first[7], product(a, b, device::thread_x(), 7, 32));
        EXPECT_EQ(second[7], static_cast<int32_t>(0xA5A5A5A5));
        device::wgmma_wait<0>();
        EXPECT_EQ(second[63], product(a, b, device::thread_x(), 63, 32));
      },
      testing::on_hopper());
}

TEST(HopperWords, RegistersMoveBetweenWarpgroups) {
  EXPECT_NO_THROW(launch(
      {{1}, {384}, 0},
      [] {
        if (own() >= 256) {
          device::give_registers<40>();
        } else {
          device::take_registers<232>();
        }
      },
      testing::on_hopper()));
}

}  // namespace
}  // namespace tamis::cuda
