// Work on a card, in order.
//
// Is: copies and launches of one stream, and graphs recorded from it. Is not: thread-safe. May use:
// cuda_device.h.
#pragma once

#include <memory>

#include "device/cuda/cuda_device.h"

namespace tamis::device::cuda {

/// Blocks of a grid, threads of a block, bytes of shared memory.
struct LaunchShape {
  unsigned columns = 1;  ///< x
  unsigned rows = 1;     ///< y, at most 65,535
  unsigned threads = 1;
  unsigned shared_bytes = 0;
};

/// Work that was recorded once and runs as one.
class RecordedWork {
 public:
  RecordedWork(std::shared_ptr<CudaDevice> device, void* executable)
      : device_(std::move(device)), executable_(executable) {}
  ~RecordedWork();
  RecordedWork(const RecordedWork&) = delete;
  RecordedWork& operator=(const RecordedWork&) = delete;

  [[nodiscard]] void* handle() const { return executable_; }

 private:
  std::shared_ptr<CudaDevice> device_;
  void* executable_;
};

/// Every function throws what CudaDevice::check() throws, and makes the device the caller's.
class Stream {
 public:
  explicit Stream(std::shared_ptr<CudaDevice> device);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Host memory is pinned, and stays as it is until wait().
  void copy_to_device(std::byte* to, const void* from, size_t bytes);
  void copy_to_host(void* to, const std::byte* from, size_t bytes);
  /// `params` is copied before this returns.
  void launch(void* function, const LaunchShape& shape, const void* params);
  /// Returns when all that was started is done.
  void wait();

  /// What is started from here on is recorded and not run, until end_recording().
  void begin_recording();
  [[nodiscard]] std::unique_ptr<RecordedWork> end_recording();
  void run(const RecordedWork& work);

 private:
  std::shared_ptr<CudaDevice> device_;
  void* stream_ = nullptr;
};

}  // namespace tamis::device::cuda
