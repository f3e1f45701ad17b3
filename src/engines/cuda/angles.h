// Cosines and sines of rotary positions on the card.
//
// Is: a table for the places that runs have needed so far. Is not: a choice of frequencies. May
// use: device/cuda, kernels/reference.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "device/cuda/stream.h"
#include "graph/graph.h"
#include "tensor/tensor.h"

namespace tamis::engines::cuda {

/// Thread-safe. A table that grew leaves the smaller one in place for the runs that read it.
class Angles {
 public:
  /// As many places as a run's longest sequence may have.
  static constexpr int64_t kMostPlaces = int64_t{1} << 20;

  Angles(std::shared_ptr<const Tensor> frequencies, const graph::RotaryAttributes& fields)
      : frequencies_(std::move(frequencies)), fields_(fields) {}

  [[nodiscard]] bool is_of(const Tensor* frequencies, const graph::RotaryAttributes& fields) const;
  /// Makes the rows of places [0, places), at most kMostPlaces.
  void reserve(const std::shared_ptr<device::cuda::CudaDevice>& device, int64_t places);

  /// Rows of a place: one for each row of the frequencies.
  [[nodiscard]] int64_t sets() const { return frequencies_->shape().rank() == 2 ? 2 : 1; }
  /// Elements of a row.
  [[nodiscard]] int64_t stride() const {
    return frequencies_->elements() / sets() * (fields_.interleaved ? 2 : 1);
  }
  /// What is on the card: [places, sets, stride] each.
  struct Table {
    device::cuda::DeviceBuffer memory;
    int64_t places = 0;
    const float* cosine = nullptr;
    const float* sine = nullptr;
  };
  /// The largest so far; null before reserve().
  [[nodiscard]] const Table* table() const { return newest_.load(std::memory_order_acquire); }

 private:
  std::shared_ptr<const Tensor> frequencies_;
  graph::RotaryAttributes fields_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Table>> tables_;
  std::atomic<const Table*> newest_ = nullptr;
};

}  // namespace tamis::engines::cuda
