#include "device/cuda/driver.h"

#include <dlfcn.h>

#include <cstring>
#include <mutex>

#include "base/error.h"

namespace tamis::device::cuda {

namespace {

constexpr const char* kLibrary = "libcuda.so.1";

// Kept open: the driver's threads may run until the process ends.
void* open_library() {
  void* library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library != nullptr) return library;
  const char* reason = ::dlerror();
  fail(ErrorCode::kUnavailable, "CUDA: no NVIDIA driver (", reason == nullptr ? kLibrary : reason,
       ")");
}

template <typename Function>
void look_up(void* library, const char* symbol, bool optional, Function& function) {
  void* found = ::dlsym(library, symbol);
  if (found == nullptr && !optional) {
    fail(ErrorCode::kUnavailable, "CUDA: the NVIDIA driver has no ", symbol,
         "; it is older than this program needs");
  }
  function = reinterpret_cast<Function>(found);
}

}  // namespace

Driver::Driver() {
  void* library = open_library();
#define X(member, symbol, ...) look_up(library, symbol, false, member);
#define OPTIONAL(member, symbol, ...) look_up(library, symbol, true, member);
#include "device/cuda/driver_functions.inc"
#undef X
  if (void* found = ::dlsym(library, "tamis_emulated_kernels"); found != nullptr) {
    emulated_kernels_ = reinterpret_cast<const char* (*)()>(found);
  }
  if (const int error = init(0); error != 0) {
    fail(ErrorCode::kUnavailable, "CUDA: the NVIDIA driver does not start: ", error_name(error));
  }
  if (const int error = driver_version(&version_); error != 0) {
    fail(ErrorCode::kUnavailable,
         "CUDA: the NVIDIA driver does not tell its version: ", error_name(error));
  }
}

const Driver& Driver::get() {
  static std::mutex mutex;
  // Never destroyed: what is freed at the end of the process may still call it.
  static const Driver* driver = nullptr;
  const std::lock_guard lock(mutex);
  if (driver == nullptr) driver = new Driver();
  return *driver;
}

std::span<const std::byte> Driver::kernels() const {
  const char* image = emulated_kernels_ == nullptr ? nullptr : emulated_kernels_();
  if (image == nullptr) return {};
  return {reinterpret_cast<const std::byte*>(image), std::strlen(image)};
}

std::string Driver::error_name(int error) const {
  const char* name = nullptr;
  if (get_error_name(error, &name) != 0 || name == nullptr) return cat("error ", error);
  return name;
}

std::string version_text(int version) { return cat(version / 1000, ".", version % 1000 / 10); }

}  // namespace tamis::device::cuda
