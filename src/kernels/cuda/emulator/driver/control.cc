// How tests tell the double what to be: by environment when it is loaded, by calls later.
#include <cstdlib>
#include <cstring>

#include "kernels/cuda/emulator/driver/state.h"

namespace tamis::cuda::emulator {

namespace {

struct Setting {
  const char* name;
  const char* variable;
  int64_t DoubleSettings::*field;
};

constexpr Setting kSettings[] = {
    {"version", "TAMIS_CUDA_DOUBLE_VERSION", &DoubleSettings::version},
    {"devices", "TAMIS_CUDA_DOUBLE_DEVICES", &DoubleSettings::devices},
    {"capability", "TAMIS_CUDA_DOUBLE_CAPABILITY", &DoubleSettings::capability},
    {"memory_bytes", "TAMIS_CUDA_DOUBLE_MEMORY", &DoubleSettings::memory_bytes},
    {"init_error", "TAMIS_CUDA_DOUBLE_INIT_ERROR", &DoubleSettings::init_error},
    {"launches_until_failure", "TAMIS_CUDA_DOUBLE_LAUNCHES",
     &DoubleSettings::launches_until_failure},
    {"allocations_until_failure", "TAMIS_CUDA_DOUBLE_ALLOCATIONS",
     &DoubleSettings::allocations_until_failure},
    {"check", "TAMIS_CUDA_DOUBLE_CHECK", &DoubleSettings::check},
    {"threads", "TAMIS_CUDA_DOUBLE_THREADS", &DoubleSettings::threads},
    {"kernels", "TAMIS_CUDA_DOUBLE_KERNELS", &DoubleSettings::kernels},
    {"ptx", "TAMIS_CUDA_DOUBLE_PTX", &DoubleSettings::ptx},
    {"launches", "", &DoubleSettings::launches},
    {"allocated_bytes", "", &DoubleSettings::allocated_bytes},
};

int64_t* field_of(const char* name) {
  for (const Setting& setting : kSettings) {
    if (std::strcmp(setting.name, name) == 0) return &(DoubleState::get().settings.*setting.field);
  }
  std::abort();  // a test's mistake
}

}  // namespace

DoubleState& DoubleState::get() {
  static DoubleState state;
  return state;
}

DoubleState::DoubleState() {
  for (const Setting& setting : kSettings) {
    const char* value = *setting.variable == '\0' ? nullptr : std::getenv(setting.variable);
    if (value != nullptr) settings.*setting.field = std::atoll(value);
  }
}

}  // namespace tamis::cuda::emulator

using tamis::cuda::emulator::DoubleState;
using tamis::cuda::emulator::field_of;

extern "C" {

void tamis_cuda_double_set(const char* name, long long value) {
  const std::lock_guard lock(DoubleState::get().mutex);
  *field_of(name) = value;
}

long long tamis_cuda_double_get(const char* name) {
  const std::lock_guard lock(DoubleState::get().mutex);
  return *field_of(name);
}

/// How often a kernel was launched.
long long tamis_cuda_double_launches(const char* kernel) {
  const std::lock_guard lock(DoubleState::get().mutex);
  const tamis::cuda::emulator::DoubleKernel* found = tamis::cuda::emulator::find_kernel(kernel);
  if (found == nullptr) std::abort();
  return found->launches;
}

/// The last fault that the emulator reported, "" if there was none.
const char* tamis_cuda_double_fault() { return DoubleState::get().fault.c_str(); }

/// Where this stands among a driver's symbols, its kernels are the program's: see
/// device/cuda/driver.h.
const char* tamis_emulated_kernels() {
  static const char kImage[] = "kernels on the emulator";
  return DoubleState::get().settings.kernels != 0 ? kImage : nullptr;
}
}
