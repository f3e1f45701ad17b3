#include "tests/cuda/cuda_double.h"

#include <dlfcn.h>

#include "base/error.h"

namespace tamis::test {

namespace {

template <typename Function>
void look_up(void* library, const char* symbol, Function& function) {
  void* found = ::dlsym(library, symbol);
  TAMIS_CHECK(found != nullptr);
  function = reinterpret_cast<Function>(found);
}

}  // namespace

CudaDouble::CudaDouble() {
  void* library = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  TAMIS_CHECK(library != nullptr);
  look_up(library, "tamis_cuda_double_set", set_);
  look_up(library, "tamis_cuda_double_get", get_);
  look_up(library, "tamis_cuda_double_launches", launches_);
  look_up(library, "tamis_cuda_double_fault", fault_);
}

CudaDouble::~CudaDouble() {
  for (const auto& [name, value] : before_) set_(name.c_str(), value);
}

void CudaDouble::set(const std::string& name, int64_t value) {
  before_.emplace(name, get(name));
  set_(name.c_str(), value);
}

int64_t CudaDouble::get(const std::string& name) const { return get_(name.c_str()); }

int64_t CudaDouble::launches(const std::string& kernel) const { return launches_(kernel.c_str()); }

std::string CudaDouble::fault() const { return fault_(); }

engine::EngineOptions on_cuda(engine::Precision precision, int index) {
  engine::EngineOptions options;
  options.device = {device::DeviceKind::kCuda, index};
  options.precision = precision;
  return options;
}

}  // namespace tamis::test
