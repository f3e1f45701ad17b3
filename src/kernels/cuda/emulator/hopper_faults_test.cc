// Wrong uses of the words of device_hopper.h, which a card would let pass or hang at.
#include <gtest/gtest.h>

#include <string>

#include "kernels/cuda/device_hopper.h"
#include "kernels/cuda/emulator/boxed_rows.h"
#include "kernels/cuda/testing.h"

namespace tamis::cuda {
namespace {

using emulator::Fault;
using emulator::launch;

constexpr uint32_t kBarrier = 64 * 1024;
constexpr uint32_t kOther = kBarrier + 8;
constexpr size_t kShared = kBarrier + 64;
constexpr uint32_t kBoxBytes = 128 * 128;
constexpr uint32_t kOperandB = kBoxBytes;

uint32_t own() { return static_cast<uint32_t>(device::thread_x()); }

alignas(16) const unsigned char kBytes[128 * 128] = {};
TensorMap map_of(uint32_t rows = 128, bool swizzled = true) {
  return *emulator::make_map({kBytes, 128, 128, 128, 128, rows, swizzled});
}

std::string fault_of(unsigned threads, const std::function<void()>& body, uint64_t seed = 1) {
  try {
    launch({{1}, {threads}, kShared}, body, testing::on_hopper(seed));
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "";
}

// Whatever the order of warps and of boxes.
void expect_fault(unsigned threads, const std::string& text, const std::function<void()>& body) {
  for (uint64_t seed = 1; seed < 6; ++seed) {
    const std::string got = fault_of(threads, body, seed);
    EXPECT_NE(got.find(text), std::string::npos) << "seed " << seed << ", got: " << got;
  }
}

void make_barriers(uint32_t arrivals) {
  if (own() == 0) {
    device::mbarrier_init(kBarrier, 1);
    device::mbarrier_init(kOther, arrivals);
    device::fence_mbarrier_init();
  }
  device::sync_block();
}

// One thread's: boxes of both operands.
void fetch(const TensorMap& map) {
  device::mbarrier_arrive_expecting(kBarrier, 2 * kBoxBytes);
  device::copy_box(0, map, 0, 0, kBarrier);
  device::copy_box(kOperandB, map, 0, 0, kBarrier);
}

void multiply(int32_t (&d)[64], uint32_t a = 0) {
  device::wgmma_fence();
  device::wgmma_u8s8(d, device::swizzled_operand(a), device::swizzled_operand(kOperandB));
  device::wgmma_commit();
}

TEST(HopperFaults, TooFewArrivalsAreADeadlock) {
  expect_fault(64, "deadlock", [] {
    make_barriers(3);
    if (own() % 32 == 0) device::mbarrier_arrive(kOther);
    device::mbarrier_wait(kOther, 0);
  });
  expect_fault(64, "mbarrier at 65544 (phase 0 lacks 1 of 3 arrivals and 0 bytes) for parity 0",
               [] {
                 make_barriers(3);
                 if (own() % 32 == 0) device::mbarrier_arrive(kOther);
                 device::mbarrier_wait(kOther, 0);
               });
}

TEST(HopperFaults, ExpectedBytesThatNeverComeAreADeadlock) {
  const TensorMap map = map_of();
  expect_fault(128, "phase 1 lacks 0 of 1 arrivals and 16 bytes) for parity 1", [&] {
    make_barriers(1);
    if (own() == 0) {
      device::mbarrier_arrive_expecting(kBarrier, kBoxBytes);
      device::copy_box(0, map, 0, 0, kBarrier);
      device::mbarrier_wait(kBarrier, 0);
      device::mbarrier_arrive_expecting(kBarrier, kBoxBytes + 16);
      device::copy_box(0, map, 0, 0, kBarrier);
      device::mbarrier_wait(kBarrier, 1);
    }
  });
}

TEST(HopperFaults, AWrongParityIsADeadlock) {
  expect_fault(32, "for parity 0", [] {
    make_barriers(32);
    device::mbarrier_arrive(kOther);
    device::mbarrier_wait(kOther, 0);
    device::mbarrier_arrive(kOther);
    device::mbarrier_wait(kOther, 0);
  });
}

TEST(HopperFaults, BarriersThatAreNotReady) {
  const TensorMap map = map_of();
  expect_fault(1, "no mbarrier at 8", [] { device::mbarrier_arrive(8); });
  expect_fault(1, "mbarrier of 0 arrivals", [] { device::mbarrier_init(kBarrier, 0); });
  expect_fault(1, "where there is one", [] {
    device::mbarrier_init(kBarrier, 1);
    device::mbarrier_init(kBarrier, 1);
  });
  expect_fault(1, "misaligned", [] { device::mbarrier_init(kBarrier + 4, 1); });
  expect_fault(1, "more arrivals than the mbarrier", [] {
    device::mbarrier_init(kBarrier, 1);
    device::mbarrier_arrive_expecting(kBarrier, 16);
    device::mbarrier_arrive(kBarrier);
  });
  expect_fault(1, "no fence made the mbarrier known", [&] {
    device::mbarrier_init(kBarrier, 1);
    device::mbarrier_arrive_expecting(kBarrier, kBoxBytes);
    device::copy_box(0, map, 0, 0, kBarrier);
  });
  expect_fault(1, "access to the bytes of an mbarrier", [] {
    make_barriers(1);
    (void)device::load_shared32(kOther);
  });
}

TEST(HopperFaults, AnInitThatNothingOrders) {
  bool seen = false;  // another order finds no barrier there
  for (uint64_t seed = 1; seed < 20; ++seed) {
    const std::string got = fault_of(
        64,
        [] {
          if (own() == 0) device::mbarrier_init(kBarrier, 64);
          device::sync_warp();
          device::mbarrier_arrive(kBarrier);
        },
        seed);
    EXPECT_NE(got, "") << seed;
    seen = seen || got.find("nothing orders the init") != std::string::npos;
  }
  EXPECT_TRUE(seen);
}

TEST(HopperFaults, ABoxThatWasNotWaitedFor) {
  const TensorMap map = map_of();
  expect_fault(128, "race: wgmma reads a box", [&] {
    make_barriers(1);
    if (own() == 0) fetch(map);
    device::sync_block();
    int32_t d[64] = {};
    multiply(d);
    device::wgmma_wait<0>();
  });
  expect_fault(32, "race: load of a box", [&] {
    make_barriers(1);
    if (own() == 0) fetch(map);
    device::sync_warp();
    (void)device::load_shared32(own() * 4);
  });
  // One warp waits, and the others come behind a barrier of threads: enough.
  EXPECT_EQ(fault_of(128,
                     [&] {
                       make_barriers(1);
                       if (own() == 0) fetch(map);
                       if (own() < 32) device::mbarrier_wait(kBarrier, 0);
                       device::sync_block();
                       (void)device::load_shared32(own() * 4);
                     }),
            "");
}

TEST(HopperFaults, ABoxOverWhatAProductReads) {
  const TensorMap map = map_of();
  expect_fault(128, "race: box over what a product that was not waited for reads", [&] {
    make_barriers(1);
    if (own() == 0) fetch(map);
    device::mbarrier_wait(kBarrier, 0);
    int32_t d[64] = {};
    multiply(d);
    device::sync_block();
    if (own() == 0) fetch(map);
    device::wgmma_wait<0>();
  });
  expect_fault(128, "race: store over what a product that was not waited for reads", [&] {
    make_barriers(1);
    if (own() == 0) fetch(map);
    device::mbarrier_wait(kBarrier, 0);
    int32_t d[64] = {};
    multiply(d);
    device::sync_block();
    device::store_shared32(own() * 4, 0);
    device::wgmma_wait<0>();
  });
}

// Four warps multiply, the fifth fetches again when as many as `arrivals` say that they have read.
void run_ring(const TensorMap& map, uint32_t arrivals) {
  make_barriers(arrivals);
  if (own() >= 128) {
    if (own() > 128) return;
    fetch(map);
    device::mbarrier_wait(kOther, 0);
    fetch(map);
    device::mbarrier_wait(kBarrier, 1);
    return;
  }
  int32_t d[64] = {};
  device::mbarrier_wait(kBarrier, 0);
  multiply(d);
  device::wgmma_wait<0>();
  if (own() % 32 == 0 && own() / 32 < arrivals) device::mbarrier_arrive(kOther);
}

TEST(HopperFaults, AStageThatIsFilledBeforeAllHaveReadIt) {
  const TensorMap map = map_of();
  for (uint64_t seed = 1; seed < 6; ++seed) {
    EXPECT_EQ(fault_of(
                  160, [&] { run_ring(map, 4); }, seed),
              "");
  }
  expect_fault(160, "race:", [&] { run_ring(map, 3); });
}

TEST(HopperFaults, ABoxOverABoxThatWasNotWaitedFor) {
  const TensorMap map = map_of();
  expect_fault(1, "race: box over a box", [&] {
    make_barriers(1);
    fetch(map);
    device::mbarrier_arrive_expecting(kOther, kBoxBytes);
    device::copy_box(0, map, 0, 0, kOther);
  });
  expect_fault(1, "race: box over what threads wrote", [&] {
    make_barriers(1);
    device::store_shared32(256, 1);
    fetch(map);
  });
}

TEST(HopperFaults, ProductsAsTheyMayNotBe) {
  const TensorMap map = map_of();
  const auto with_operands = [&](unsigned threads, const std::string& text, auto body) {
    expect_fault(threads, text, [&] {
      make_barriers(1);
      if (own() == 0) fetch(map);
      device::mbarrier_wait(kBarrier, 0);
      int32_t d[64] = {};
      body(d);
    });
  };
  const uint64_t a = device::swizzled_operand(0);
  const uint64_t b = device::swizzled_operand(kOperandB);
  with_operands(128, "registers were not fenced",
                [&](int32_t(&d)[64]) { device::wgmma_u8s8(d, a, b); });
  with_operands(128, "registers were not fenced", [&](int32_t(&d)[64]) {
    multiply(d);
    device::wgmma_wait<0>();
    device::wgmma_u8s8(d, a, b);
  });
  with_operands(128, "left with products", [&](int32_t(&d)[64]) { multiply(d); });
  with_operands(128, "left with products", [&](int32_t(&d)[64]) {
    device::wgmma_fence();
    device::wgmma_u8s8(d, a, b);
    device::wgmma_wait<0>();
  });
  with_operands(96, "fewer than four warps", [&](int32_t(&d)[64]) { multiply(d); });
  with_operands(128, "warps of one group differ", [&](int32_t(&d)[64]) {
    multiply(d, own() < 32 ? 0 : 32);
    device::wgmma_wait<0>();
  });
  with_operands(128, "different numbers of products", [&](int32_t(&d)[64]) {
    if (own() < 64) multiply(d);
    device::wgmma_wait<0>();
  });
  with_operands(128, "lanes differ", [&](int32_t(&d)[64]) { multiply(d, own() % 2 * 32); });
  with_operands(128, "without the 128-byte swizzle", [&](int32_t(&d)[64]) {
    device::wgmma_fence();
    device::wgmma_u8s8(d, a & ~(uint64_t{3} << 62), b);
  });
  with_operands(128, "base offset", [&](int32_t(&d)[64]) {
    device::wgmma_fence();
    device::wgmma_u8s8(d, a | uint64_t{1} << 49, b);
  });
  with_operands(128, "no box filled", [&](int32_t(&d)[64]) { multiply(d, 2 * kBoxBytes); });
  with_operands(128, "out of bounds", [&](int32_t(&d)[64]) { multiply(d, kBarrier - 1024); });
}

TEST(HopperFaults, CopiesAsTheyMayNotBe) {
  const TensorMap map = map_of();
  expect_fault(1, "a map that the driver did not make", [] {
    make_barriers(1);
    device::copy_box(0, TensorMap{}, 0, 0, kBarrier);
  });
  expect_fault(1, "misaligned place of a box", [&] {
    make_barriers(1);
    device::copy_box(512, map, 0, 0, kBarrier);
  });
  expect_fault(1, "out of bounds", [&] {
    make_barriers(1);
    device::copy_box(kBarrier - 8192, map, 0, 0, kBarrier);
  });
  expect_fault(1, "left with boxes on their way", [&] {
    make_barriers(1);
    fetch(map);
  });
}

TEST(HopperFaults, RegistersThatThereAreNot) {
  expect_fault(512, "registers of 65536", [] { device::take_registers<192>(); });
  expect_fault(128, "setmaxnreg of 20", [] { emulator::set_registers(20); });
  expect_fault(32, "lanes diverge", [] {
    if (own() < 16) device::take_registers<40>();
  });
}

TEST(HopperFaults, OlderCardsHaveNoneOfThem) {
  const auto on_ampere = [](const std::function<void()>& body) {
    try {
      launch({{1}, {32}, 1024}, body, {});
    } catch (const Fault& fault) {
      return std::string(fault.what());
    }
    return std::string();
  };
  const std::string text = "a word of compute capability 9.0 on an older card";
  EXPECT_NE(on_ampere([] { device::mbarrier_init(0, 1); }).find(text), std::string::npos);
  EXPECT_NE(on_ampere([] { device::wgmma_fence(); }).find(text), std::string::npos);
  EXPECT_NE(on_ampere([] { device::take_registers<40>(); }).find(text), std::string::npos);
}

}  // namespace
}  // namespace tamis::cuda
