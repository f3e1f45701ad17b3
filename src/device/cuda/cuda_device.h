// A card: what it is, a context on it, and code for it.
//
// Is: properties, memory, launches and their errors. Is not: a plan of what to launch. May use:
// driver.h.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device/cuda/driver.h"

namespace tamis::device::cuda {

struct CardProperties {
  int index = 0;
  std::string name;
  int capability = 0;  ///< 10 * major + minor
  int multiprocessors = 0;
  size_t memory_bytes = 0;
};

/// All cards that the driver shows. Throws Error{kUnavailable} as Driver::get().
[[nodiscard]] std::vector<CardProperties> list_cards();

/// A card's primary context, which all of the process share. Thread-safe.
class CudaDevice {
 public:
  /// Throws Error{kUnavailable}: no driver, or no card of that index. A context that was lost is
  /// made anew.
  [[nodiscard]] static std::shared_ptr<CudaDevice> open(int index);
  ~CudaDevice();
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;

  [[nodiscard]] const Driver& driver() const { return driver_; }
  [[nodiscard]] const CardProperties& properties() const { return properties_; }
  /// "cuda:0 (NVIDIA H200)"
  [[nodiscard]] std::string name() const;
  /// For the thread that calls, before it calls the driver.
  void make_current() const;
  /// Throws what a CUresult means: kOutOfMemory, or kUnavailable, and then the device counts as
  /// lost. `what` says what was done.
  void check(int result, std::string_view what) const;
  [[nodiscard]] bool lost() const { return lost_; }
  /// Bytes that nobody has, as far as the driver knows.
  [[nodiscard]] size_t free_bytes() const;

 private:
  CudaDevice(const Driver& driver, CardProperties properties);

  const Driver& driver_;
  CardProperties properties_;
  int handle_ = 0;
  void* context_ = nullptr;
  mutable std::atomic<bool> lost_ = false;
  bool reset_ = false;  ///< its context is another's by now
};

/// Memory of a card; freed with this. Movable.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  /// Throws kOutOfMemory, kUnavailable.
  DeviceBuffer(std::shared_ptr<CudaDevice> device, size_t bytes);
  ~DeviceBuffer();
  DeviceBuffer(DeviceBuffer&& other) noexcept;
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept;

  /// The card's address: the host must not read it.
  [[nodiscard]] std::byte* data() const {
    return reinterpret_cast<std::byte*>(address_);  // NOLINT: the driver gives a number
  }
  [[nodiscard]] size_t size() const { return size_; }

 private:
  std::shared_ptr<CudaDevice> device_;
  unsigned long long address_ = 0;
  size_t size_ = 0;
};

/// Memory of the host that the card copies from and to on its own. Movable.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  /// Throws kOutOfMemory, kUnavailable.
  PinnedBuffer(std::shared_ptr<CudaDevice> device, size_t bytes);
  ~PinnedBuffer();
  PinnedBuffer(PinnedBuffer&& other) noexcept;
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept;

  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(memory_); }
  [[nodiscard]] size_t size() const { return size_; }

 private:
  std::shared_ptr<CudaDevice> device_;
  void* memory_ = nullptr;
  size_t size_ = 0;
};

/// Code for a card. Immutable; thread-safe.
class Module {
 public:
  /// Throws kUnavailable where the image has nothing for this card.
  Module(std::shared_ptr<CudaDevice> device, std::span<const std::byte> image);
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// A kernel by name, allowed so many bytes of shared memory.
  [[nodiscard]] void* function(const char* name, int shared_bytes) const;
  /// The same; null where the module's code for this card has no such kernel.
  [[nodiscard]] void* find_function(const char* name, int shared_bytes) const;

 private:
  std::shared_ptr<CudaDevice> device_;
  void* module_ = nullptr;
};

}  // namespace tamis::device::cuda
