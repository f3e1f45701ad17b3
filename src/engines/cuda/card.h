// A card with the kernels loaded.
//
// Is: what all plans on a card share. Is not: a plan. May use: device/cuda, kernels/cuda.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "device/cuda/stream.h"
#include "kernels/cuda/kernel_list.h"

namespace tamis::engines::cuda {

/// Immutable and thread-safe.
class Card {
 public:
  /// Throws Error{kUnavailable}, see cuda_engine.h.
  [[nodiscard]] static std::shared_ptr<const Card> open(int index);

  [[nodiscard]] const std::shared_ptr<device::cuda::CudaDevice>& device() const { return device_; }
  /// False of kernels for cards of another capability, and where the driver made the code of PTX.
  [[nodiscard]] bool has(tamis::cuda::KernelId id) const { return function(id) != nullptr; }
  [[nodiscard]] void* function(tamis::cuda::KernelId id) const {
    return functions_[static_cast<size_t>(id)];
  }

 private:
  explicit Card(std::shared_ptr<device::cuda::CudaDevice> device);

  std::shared_ptr<device::cuda::CudaDevice> device_;
  std::unique_ptr<device::cuda::Module> module_;
  std::vector<void*> functions_;  // by KernelId
};

/// A card for people to read about.
struct CardReport {
  std::string device;      ///< "cuda:0"
  std::string name;        ///< "NVIDIA H200"
  std::string capability;  ///< "9.0"
  int multiprocessors = 0;
  size_t memory_bytes = 0;
  std::string driver;   ///< for which CUDA it is, "13.0"
  std::string kernels;  ///< which of the kernels it would run, or "none: " and why
};
/// Throws Error{kUnavailable}: no driver, or one that does not start.
[[nodiscard]] std::vector<CardReport> report_cards();

}  // namespace tamis::engines::cuda
