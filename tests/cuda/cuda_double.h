// The double of NVIDIA's driver, as a test tells it what to be.
//
// Is: settings by name (src/kernels/cuda/emulator/driver/control.cc) that go back when this ends.
// Is not: for library code.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "engine/engine.h"

namespace tamis::test {

/// One at a time.
class CudaDouble {
 public:
  CudaDouble();
  ~CudaDouble();
  CudaDouble(const CudaDouble&) = delete;
  CudaDouble& operator=(const CudaDouble&) = delete;

  void set(const std::string& name, int64_t value);
  [[nodiscard]] int64_t get(const std::string& name) const;
  /// How often a kernel of kernels.inc was launched in this process.
  [[nodiscard]] int64_t launches(const std::string& kernel) const;
  /// The last fault that the emulator reported.
  [[nodiscard]] std::string fault() const;

 private:
  void (*set_)(const char*, long long) = nullptr;
  long long (*get_)(const char*) = nullptr;
  long long (*launches_)(const char*) = nullptr;
  const char* (*fault_)() = nullptr;
  std::map<std::string, int64_t> before_;
};

/// Options for cuda:<index>.
[[nodiscard]] engine::EngineOptions on_cuda(engine::Precision precision = engine::Precision::kFp32,
                                            int index = 0);

}  // namespace tamis::test
