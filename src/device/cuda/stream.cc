#include "device/cuda/stream.h"

#include <utility>

#include "base/error.h"

namespace tamis::device::cuda {

namespace {

constexpr unsigned kNonBlocking = 1;  // of CUstream_flags
constexpr int kThisThread = 1;        // of CUstreamCaptureMode

unsigned long long address(const std::byte* p) { return reinterpret_cast<uintptr_t>(p); }

}  // namespace

RecordedWork::~RecordedWork() {
  if (!device_->lost()) (void)device_->driver().graph_exec_destroy(executable_);
}

Stream::Stream(std::shared_ptr<CudaDevice> device) : device_(std::move(device)) {
  device_->make_current();
  device_->check(device_->driver().stream_create(&stream_, kNonBlocking), "cuStreamCreate");
}

Stream::~Stream() {
  if (!device_->lost()) (void)device_->driver().stream_destroy(stream_);
}

void Stream::copy_to_device(std::byte* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  device_->make_current();
  device_->check(device_->driver().copy_to_device(address(to), from, bytes, stream_),
                 "copying to the device");
}

void Stream::copy_to_host(void* to, const std::byte* from, size_t bytes) {
  if (bytes == 0) return;
  device_->make_current();
  device_->check(device_->driver().copy_to_host(to, address(from), bytes, stream_),
                 "copying from the device");
}

void Stream::launch(void* function, const LaunchShape& shape, const void* params) {
  if (shape.columns == 0 || shape.rows == 0) return;
  device_->make_current();
  void* parameters[] = {const_cast<void*>(params)};
  device_->check(device_->driver().launch(function, shape.columns, shape.rows, 1, shape.threads, 1,
                                          1, shape.shared_bytes, stream_, parameters, nullptr),
                 "launching a kernel");
}

void Stream::wait() {
  device_->make_current();
  device_->check(device_->driver().stream_wait(stream_), "running");
}

void Stream::begin_recording() {
  device_->make_current();
  device_->check(device_->driver().capture_begin(stream_, kThisThread), "cuStreamBeginCapture");
}

std::unique_ptr<RecordedWork> Stream::end_recording() {
  const Driver& driver = device_->driver();
  void* graph = nullptr;
  device_->check(driver.capture_end(stream_, &graph), "cuStreamEndCapture");
  void* executable = nullptr;
  const int result = driver.graph_instantiate(&executable, graph, 0);
  (void)driver.graph_destroy(graph);
  device_->check(result, "cuGraphInstantiate");
  return std::make_unique<RecordedWork>(device_, executable);
}

void Stream::run(const RecordedWork& work) {
  device_->make_current();
  device_->check(device_->driver().graph_launch(work.handle(), stream_), "cuGraphLaunch");
}

}  // namespace tamis::device::cuda
