// Sums of products of a tile on wgmma, with a ring of boxes. For gemm_s8_hopper-inl.h.
//
// A thread fetches boxes of both operands into the stages, as far ahead as it has room; multiplying
// warps wait until a stage is full, and say when they have read it.
#pragma once

#include "kernels/cuda/device_hopper.h"
#include "kernels/cuda/gemm_s8/gemm_s8_hopper.h"

namespace tamis::cuda::device {

/// What lies in shared memory: stages, two barriers of each (full, and read by all warps), and what
/// else the kernel has.
template <HopperTile kTile>
class HopperRing {
 public:
  static constexpr int kStageBytes = kTile.stage_bytes();
  static constexpr int kThreads = kTile.threads();

  TAMIS_DEVICE HopperRing() : shared_(shared_base()) {}

  /// One thread's; a block barrier follows.
  TAMIS_DEVICE void init() const {
    for (int s = 0; s < kTile.stages; ++s) {
      mbarrier_init(full(s), 1);
      mbarrier_init(read(s), kThreads / 32);
    }
    fence_mbarrier_init();
  }
  [[nodiscard]] TAMIS_DEVICE uint32_t a(int stage) const {
    return shared_ + static_cast<uint32_t>(stage * kStageBytes);
  }
  [[nodiscard]] TAMIS_DEVICE uint32_t w(int stage) const {
    return a(stage) + static_cast<uint32_t>(kTile.rows * kTile.depth);
  }
  [[nodiscard]] TAMIS_DEVICE uint32_t full(int stage) const {
    return a(kTile.stages) + static_cast<uint32_t>(stage * 8);
  }
  [[nodiscard]] TAMIS_DEVICE uint32_t read(int stage) const {
    return full(kTile.stages) + static_cast<uint32_t>(stage * 8);
  }
  [[nodiscard]] TAMIS_DEVICE uint32_t end() const { return read(kTile.stages); }

 private:
  uint32_t shared_;
};

/// One thread's.
template <HopperTile kTile>
class HopperFetcher {
 public:
  TAMIS_DEVICE HopperFetcher(const GemmS8HopperParams& p, const HopperRing<kTile>& ring, int steps)
      : p_(p), ring_(ring), left_(steps) {}

  /// Fetches the next step, if there is one, into a stage that is free.
  TAMIS_DEVICE void fetch(int stage) {
    if (left_-- <= 0) return;
    const uint32_t full = ring_.full(stage);
    mbarrier_arrive_expecting(full, HopperRing<kTile>::kStageBytes);
    copy_box(ring_.a(stage), p_.a, byte_, block_y() * kTile.rows, full);
    copy_box(ring_.w(stage), p_.w, byte_, block_x() * kTile.columns, full);
    byte_ += kTile.depth;
  }
  /// The same when the stage was read, in a phase of that parity.
  TAMIS_DEVICE void fetch_again(int stage, uint32_t parity) {
    if (left_ > 0) mbarrier_wait(ring_.read(stage), parity);
    fetch(stage);
  }

 private:
  const GemmS8HopperParams& p_;
  const HopperRing<kTile>& ring_;
  int byte_ = 0;
  int left_;
};

/// Sums of 64 rows of a warpgroup, of which a warp has 16.
template <HopperTile kTile>
class HopperSums {
  static constexpr int kSums = kTile.columns / 2;  // a lane

 public:
  TAMIS_DEVICE HopperSums() {
    TAMIS_UNROLL
    for (int i = 0; i < kSums; ++i) sums_[i] = 0;
  }

  /// All multiplying warps come. Calls read_stage() in their first thread when they read one.
  template <typename ReadStage>
  TAMIS_DEVICE void multiply(const HopperRing<kTile>& ring, int steps,
                             const ReadStage& read_stage) {
    const uint64_t a = swizzled_operand(ring.a(0) + uniform(group()) * 64 * kTile.depth);
    const uint64_t w = swizzled_operand(ring.w(0));
    uint32_t parity = 0;
    for (int left = steps;; parity ^= 1) {
      TAMIS_UNROLL
      for (int s = 0; s < kTile.stages; ++s) {
        mbarrier_wait(ring.full(s), parity);
        const auto stage = static_cast<uint32_t>(s * HopperRing<kTile>::kStageBytes);
        multiply_stage(advanced(a, stage), advanced(w, stage));
        if (thread_x() % 32 == 0) mbarrier_arrive(ring.read(s));
        if (thread_x() == 0) read_stage(s, parity);
        if (--left == 0) return;
      }
    }
  }

  [[nodiscard]] TAMIS_DEVICE int32_t sum(int /*i*/, int j, int r) const { return sums_[j * 4 + r]; }
  /// Row and column of sum(0, 0, 0) in the tile.
  static TAMIS_DEVICE int row() { return thread_x() / 32 * 16 + thread_x() % 32 / 4; }
  static TAMIS_DEVICE int column() { return thread_x() % 4 * 2; }

 private:
  static TAMIS_DEVICE uint32_t group() { return static_cast<uint32_t>(thread_x() / 128); }

  TAMIS_DEVICE void multiply_stage(uint64_t a, uint64_t w) {
    wgmma_fence();
    TAMIS_UNROLL
    for (uint32_t k = 0; k < kTile.depth; k += 32) {
      wgmma_u8s8(sums_, advanced(a, k), advanced(w, k));
    }
    wgmma_commit();
    wgmma_wait<0>();
  }

  int32_t sums_[kSums];
};

}  // namespace tamis::cuda::device
