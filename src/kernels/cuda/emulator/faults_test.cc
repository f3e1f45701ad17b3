// What a GPU would let pass, and the emulator reports.
#include <gtest/gtest.h>

#include <string>

#include "kernels/cuda/device.h"

namespace tamis::cuda {
namespace {

using emulator::Fault;
using emulator::Launch;
using emulator::launch;

// The fault of a kernel, "" if there is none.
std::string fault_of(const Launch& shape, const std::function<void()>& body) {
  for (uint64_t seed = 1; seed < 6; ++seed) {
    emulator::Options options;
    options.seed = seed;
    try {
      launch(shape, body, options);
    } catch (const Fault& fault) {
      return fault.what();
    }
  }
  return "";
}

void expect_fault(const Launch& shape, const std::string& text, const std::function<void()>& body) {
  const std::string got = fault_of(shape, body);
  EXPECT_NE(got.find(text), std::string::npos) << "got: " << got;
}

uint32_t own() { return static_cast<uint32_t>(device::thread_x()); }

// Which of the two accesses comes first is the seed's to choose.
TEST(Faults, ABarrierLeftOut) {
  expect_fault({{1}, {64}, 256}, "race", [] {
    device::store_shared32(own() * 4, 1);
    device::sync_block();
    device::store_shared32(own() * 4, 2);
    (void)device::load_shared32((own() ^ 32) * 4);
  });
  expect_fault({{1}, {64}, 256}, "race: write after a write",
               [] { device::store_shared32(own() % 32 * 4, 1); });
}

TEST(Faults, AWarpBarrierLeftOut) {
  expect_fault({{1}, {32}, 128}, "race", [] {
    device::store_shared32(own() * 4, 1);
    device::sync_warp();
    (void)device::load_shared32((own() ^ 1) * 4);
    device::store_shared32(own() * 4, 2);
  });
}

TEST(Faults, ManyReadersAndOneWriter) {
  EXPECT_EQ(fault_of({{1}, {64}, 16},
                     [] {
                       if (own() == 0) device::store_shared32(0, 7);
                       device::sync_block();
                       (void)device::load_shared32(0);
                       device::sync_block();
                       if (own() == 40) device::store_shared32(0, 8);
                     }),
            "");
  expect_fault({{1}, {64}, 16}, "race: write after a read", [] {
    if (own() == 0) device::store_shared32(0, 7);
    device::sync_block();
    (void)device::load_shared32(0);
    if (own() == 40) device::store_shared32(0, 8);
  });
}

TEST(Faults, BytesThatNothingWrote) {
  expect_fault({{1}, {1}, 64}, "nothing wrote, byte 8", [] { (void)device::load_shared32(8); });
}

TEST(Faults, PlacesThatAreNotThere) {
  expect_fault({{1}, {1}, 64}, "out of bounds at 64", [] { device::store_shared32(64, 1); });
  expect_fault({{1}, {1}, 64}, "misaligned shared access at 2",
               [] { device::store_shared32(2, 1); });
  alignas(16) static const uint8_t bytes[32] = {};
  expect_fault({{1}, {1}, 64}, "misaligned global access",
               [] { (void)device::load_global(reinterpret_cast<const uint32_t*>(bytes + 2)); });
  expect_fault({{1}, {1}, 64}, "misaligned source", [] { device::copy_async(0, bytes + 4, 16); });
  expect_fault({{1}, {32}, 512}, "out of bounds", [] {
    for (uint32_t w = 0; w < 4; ++w) device::store_shared32(own() * 16 + w * 4, 0);
    device::sync_block();
    uint32_t r[4];
    device::load_matrices(r, own() * 16 + 16);
  });
}

TEST(Faults, LanesThatDiverge) {
  expect_fault({{1}, {32}, 0}, "lanes diverge", [] {
    if (own() < 16) (void)device::shuffle_xor(1, 1);
  });
  expect_fault({{1}, {32}, 0}, "lanes diverge", [] {
    if (own() < 16) {
      (void)device::shuffle_xor(1, 1);
    } else {
      device::sync_warp();
    }
  });
  expect_fault({{1}, {40}, 0}, "fewer than 32", [] { (void)device::shuffle_xor(1, 1); });
}

TEST(Faults, ThreadsThatWaitForEver) {
  expect_fault({{1}, {128}, 0}, "deadlock", [] {
    if (own() < 64) device::sync_named(1, 128);
  });
  expect_fault({{1}, {64}, 0}, "different numbers",
               [] { device::sync_named(1, own() < 32 ? 64 : 96); });
  EXPECT_EQ(fault_of({{1}, {64}, 0},
                     [] {
                       if (own() >= 32) device::sync_block();
                     }),
            "")
      << "threads that left do not hold a block's barrier";
}

TEST(Faults, ACollectiveWhereNoneIsToBe) {
  emulator::Options options;
  options.collectives = false;
  int threads = 0;
  launch(
      {{2}, {40}, 0}, [&] { ++threads; }, options);
  EXPECT_EQ(threads, 80);
  try {
    launch(
        {{1}, {32}, 0}, [] { device::sync_block(); }, options);
    FAIL();
  } catch (const Fault& fault) {
    EXPECT_NE(std::string(fault.what()).find("block barrier in a kernel that is to have none"),
              std::string::npos)
        << fault.what();
  }
}

TEST(Faults, ACopyReadTooEarly) {
  alignas(16) static const uint8_t bytes[16] = {1, 2, 3};
  // What arrives later is poison: the value is wrong, whatever the order.
  EXPECT_EQ(fault_of({{1}, {32}, 512},
                     [] {
                       device::copy_async(own() * 16, bytes, 16);
                       device::copy_commit();
                       EXPECT_EQ(device::load_shared32(own() * 16), 0xA5A5A5A5U);
                       device::copy_wait<0>();
                       EXPECT_EQ(device::load_shared32(own() * 16), 0x00030201U);
                     }),
            "");
}

TEST(Faults, WhatABodyThrowsIsThrown) {
  struct Kept {
    explicit Kept(int* alive_count) : count(alive_count) { ++*count; }
    Kept(const Kept&) = delete;
    Kept& operator=(const Kept&) = delete;
    ~Kept() { --*count; }
    int* count;
  };
  int alive = 0;
  EXPECT_THROW(launch({{1}, {64}, 0},
                      [&] {
                        const Kept kept(&alive);
                        device::sync_block();
                        if (own() == 5) throw std::invalid_argument("five");
                        device::sync_block();
                      }),
               std::invalid_argument);
  EXPECT_EQ(alive, 0) << "fibers in the middle are unwound";
}

TEST(Faults, LaunchesThatCannotBe) {
  EXPECT_THROW(launch({{1}, {2048}, 0}, [] {}), Fault);
  EXPECT_THROW(launch({{1}, {0}, 0}, [] {}), Fault);
  EXPECT_THROW(launch({{1}, {32}, 1 << 20}, [] {}), Fault);
}

}  // namespace
}  // namespace tamis::cuda
