// One run in flight: its stream, its memory, and work recorded for batches of its size.
//
// Is: what a session has one or two of. Is not: thread-safe. May use: device/cuda.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "engine/engine.h"
#include "engines/cuda/plan.h"

namespace tamis::engines::cuda {

/// Takes no more memory of the card, nor pinned memory, once it has seen a batch as large.
class Lane {
 public:
  explicit Lane(std::shared_ptr<const Plan> plan);
  /// Waits for what still runs: the card writes into this memory.
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// Sends the batch and starts its run; it has been checked. Throws kOutOfMemory saying how much
  /// is needed, kUnavailable.
  void start(const engine::PackedBatch& batch);
  /// Waits and writes the outputs of the batch that start() was given. Throws kUnavailable.
  void finish(const engine::PackedBatch& batch, engine::Outputs& outputs);
  /// Waits; what was started is forgotten.
  void abandon() noexcept;
  [[nodiscard]] bool busy() const { return busy_; }

 private:
  /// Lays memory out for the batch; returns the bytes of its arrays.
  [[nodiscard]] size_t reserve(const Extent& extent);
  void make_room(const Extent& extent);
  void launch(const Extent& extent);
  void fetch_outputs(const Extent& extent);

  std::shared_ptr<const Plan> plan_;
  device::cuda::Stream stream_;
  Extent reserved_;
  device::cuda::DeviceBuffer arena_;
  device::cuda::DeviceBuffer arrays_;
  device::cuda::PinnedBuffer host_arrays_;
  device::cuda::PinnedBuffer host_outputs_;
  std::vector<size_t> array_offsets_;
  Plan::Memory memory_;
  /// By bucket; recorded for arena_ and arrays_ where they are.
  std::map<Extent, std::unique_ptr<device::cuda::RecordedWork>> recorded_;
  int64_t generation_ = 0;
  bool busy_ = false;
};

}  // namespace tamis::engines::cuda
