#include "device/cuda/cuda_device.h"

#include <map>
#include <mutex>
#include <utility>

#include "base/error.h"

namespace tamis::device::cuda {

namespace {

// Of CUresult, CUdevice_attribute, CUfunction_attribute and CU_MEMHOSTALLOC_*.
constexpr int kErrorOutOfMemory = 2;
constexpr int kErrorNotFound = 500;
constexpr int kMultiprocessorCount = 16;
constexpr int kCapabilityMajor = 75;
constexpr int kCapabilityMinor = 76;
constexpr int kMostDynamicSharedBytes = 8;
constexpr unsigned kPortable = 1;
constexpr int kStaticSharedBytes = 48 * 1024;  // that every kernel may have

void check_query(const Driver& driver, int result, std::string_view what) {
  if (result == 0) return;
  fail(ErrorCode::kUnavailable, "CUDA: ", what, ": ", driver.error_name(result));
}

int attribute(const Driver& driver, int attribute, int handle) {
  int value = 0;
  check_query(driver, driver.device_attribute(&value, attribute, handle), "cuDeviceGetAttribute");
  return value;
}

int handle_of(const Driver& driver, int index) {
  int handle = 0;
  check_query(driver, driver.device_get(&handle, index), "cuDeviceGet");
  return handle;
}

int count_cards(const Driver& driver) {
  int count = 0;
  check_query(driver, driver.device_count(&count), "cuDeviceGetCount");
  return count;
}

CardProperties properties_of(const Driver& driver, int index) {
  const int handle = handle_of(driver, index);
  char name[256] = {};
  check_query(driver, driver.device_name(name, sizeof(name), handle), "cuDeviceGetName");
  CardProperties card;
  card.index = index;
  card.name = name;
  card.capability = attribute(driver, kCapabilityMajor, handle) * 10 +
                    attribute(driver, kCapabilityMinor, handle);
  card.multiprocessors = attribute(driver, kMultiprocessorCount, handle);
  check_query(driver, driver.device_memory(&card.memory_bytes, handle), "cuDeviceTotalMem");
  return card;
}

}  // namespace

std::vector<CardProperties> list_cards() {
  const Driver& driver = Driver::get();
  std::vector<CardProperties> cards;
  const int count = count_cards(driver);
  for (int i = 0; i < count; ++i) cards.push_back(properties_of(driver, i));
  return cards;
}

CudaDevice::CudaDevice(const Driver& driver, CardProperties properties)
    : driver_(driver),
      properties_(std::move(properties)),
      handle_(handle_of(driver, properties_.index)) {
  check_query(driver_, driver_.context_retain(&context_, handle_), "cuDevicePrimaryCtxRetain");
}

CudaDevice::~CudaDevice() {
  if (!reset_) (void)driver_.context_release(handle_);
}

std::shared_ptr<CudaDevice> CudaDevice::open(int index) {
  static std::mutex mutex;
  static std::map<int, std::weak_ptr<CudaDevice>> known;
  const std::lock_guard lock(mutex);
  std::weak_ptr<CudaDevice>& entry = known[index];
  if (std::shared_ptr<CudaDevice> device = entry.lock()) {
    if (!device->lost_) return device;
    // Models that are still there fail on their own; the next ones need a context that works.
    if (!device->reset_) (void)device->driver_.context_reset(device->handle_);
    device->reset_ = true;
  }
  const Driver& driver = Driver::get();
  const int count = count_cards(driver);
  if (index < 0 || index >= count) {
    fail(ErrorCode::kUnavailable, "cuda:", index, ": there ",
         count == 1 ? "is 1 device" : cat("are ", count, " devices"),
         count > 0 ? ", counted from cuda:0" : "");
  }
  std::shared_ptr<CudaDevice> device(new CudaDevice(driver, properties_of(driver, index)));
  entry = device;
  return device;
}

std::string CudaDevice::name() const {
  return cat("cuda:", properties_.index, " (", properties_.name, ")");
}

void CudaDevice::make_current() const {
  // Behind a reset the driver may give its context, and this one's addresses, to other models.
  if (lost_) {
    fail(ErrorCode::kUnavailable, name(),
         ": the device is lost to this model until it is loaded again");
  }
  check(driver_.context_set(context_), "cuCtxSetCurrent");
}

void CudaDevice::check(int result, std::string_view what) const {
  if (result == 0) return;
  if (result == kErrorOutOfMemory) {
    fail(ErrorCode::kOutOfMemory, name(), ": ", what, ": out of device memory");
  }
  lost_ = true;
  fail(ErrorCode::kUnavailable, name(), ": ", what, ": ", driver_.error_name(result),
       "; the device is lost to this model until it is loaded again");
}

size_t CudaDevice::free_bytes() const {
  make_current();
  size_t free = 0;
  size_t total = 0;
  check(driver_.memory_info(&free, &total), "cuMemGetInfo");
  return free;
}

DeviceBuffer::DeviceBuffer(std::shared_ptr<CudaDevice> device, size_t bytes)
    : device_(std::move(device)), size_(bytes) {
  if (bytes == 0) return;
  device_->make_current();
  device_->check(device_->driver().memory_allocate(&address_, bytes),
                 cat("allocating ", bytes, " bytes"));
}

DeviceBuffer::~DeviceBuffer() {
  if (address_ == 0 || device_->lost()) return;
  try {
    device_->make_current();
    (void)device_->driver().memory_free(address_);
  } catch (const Error&) {  // the context is gone, and the memory with it
  }
}

DeviceBuffer::DeviceBuffer(DeviceBuffer&& other) noexcept
    : device_(std::move(other.device_)),
      address_(std::exchange(other.address_, 0)),
      size_(std::exchange(other.size_, 0)) {}

DeviceBuffer& DeviceBuffer::operator=(DeviceBuffer&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(address_, other.address_);
  std::swap(size_, other.size_);
  return *this;
}

PinnedBuffer::PinnedBuffer(std::shared_ptr<CudaDevice> device, size_t bytes)
    : device_(std::move(device)), size_(bytes) {
  if (bytes == 0) return;
  device_->make_current();
  device_->check(device_->driver().host_allocate(&memory_, bytes, kPortable),
                 cat("allocating ", bytes, " bytes of pinned memory"));
}

PinnedBuffer::~PinnedBuffer() {
  if (memory_ == nullptr || device_->lost()) return;
  try {
    device_->make_current();
    (void)device_->driver().host_free(memory_);
  } catch (const Error&) {
  }
}

PinnedBuffer::PinnedBuffer(PinnedBuffer&& other) noexcept
    : device_(std::move(other.device_)),
      memory_(std::exchange(other.memory_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

PinnedBuffer& PinnedBuffer::operator=(PinnedBuffer&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(memory_, other.memory_);
  std::swap(size_, other.size_);
  return *this;
}

Module::Module(std::shared_ptr<CudaDevice> device, std::span<const std::byte> image)
    : device_(std::move(device)) {
  device_->make_current();
  const int result = device_->driver().module_load(&module_, image.data());
  if (result != 0) {
    fail(ErrorCode::kUnavailable, device_->name(),
         ": its kernels do not load: ", device_->driver().error_name(result));
  }
}

Module::~Module() {
  if (device_->lost()) return;
  (void)device_->driver().module_unload(module_);
}

void* Module::function(const char* name, int shared_bytes) const {
  void* found = find_function(name, shared_bytes);
  if (found == nullptr) device_->check(kErrorNotFound, name);
  return found;
}

void* Module::find_function(const char* name, int shared_bytes) const {
  device_->make_current();
  void* function = nullptr;
  const int result = device_->driver().module_function(&function, module_, name);
  if (result == kErrorNotFound) return nullptr;
  device_->check(result, name);
  if (shared_bytes > kStaticSharedBytes) {
    device_->check(device_->driver().function_set(function, kMostDynamicSharedBytes, shared_bytes),
                   name);
  }
  return function;
}

}  // namespace tamis::device::cuda
