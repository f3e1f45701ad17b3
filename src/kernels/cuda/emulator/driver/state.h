// What the double of the driver knows: what it was told to be, memory, streams, and what went
// wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/cuda/emulator/emulator.h"

namespace tamis::cuda::emulator {

// Of CUresult.
inline constexpr int kOk = 0;
inline constexpr int kInvalidValue = 1;
inline constexpr int kOutOfMemory = 2;
inline constexpr int kNoDevice = 100;
inline constexpr int kInvalidDevice = 101;
inline constexpr int kInvalidContext = 201;
inline constexpr int kInvalidHandle = 400;
inline constexpr int kNotFound = 500;
inline constexpr int kLaunchFailed = 719;
inline constexpr int kCaptureUnsupported = 900;

/// One function that a launch can name.
struct DoubleKernel {
  const char* name = nullptr;
  size_t params_bytes = 0;
  unsigned threads = 0;
  bool collectives = true;  // false: see emulator::Options
  int capability = 0;       // that alone has it; 0: all have
  void (*run)(const void* params) = nullptr;
  unsigned most_shared_bytes = 48 * 1024;  // until cuFuncSetAttribute() says more
  int64_t launches = 0;                    // counted
};
[[nodiscard]] DoubleKernel* find_kernel(const std::string& name);

using Work = std::function<int()>;

struct DoubleStream {
  bool capturing = false;
  std::vector<Work> waiting;
};

/// A graph, before and after it is instantiated.
struct DoubleGraph {
  std::vector<Work> work;
};

/// What tests set, by name (control.cc).
struct DoubleSettings {
  int64_t version = 13000;
  int64_t devices = 1;
  int64_t capability = 86;
  int64_t memory_bytes = int64_t{4} << 30;
  int64_t init_error = 0;               ///< what cuInit() gives
  int64_t launches_until_failure = -1;  ///< then the device is lost
  int64_t allocations_until_failure = -1;
  int64_t check = 0;            ///< the emulator's checks
  int64_t threads = 2;          ///< that share a launch
  int64_t kernels = 1;          ///< 0: it brings none
  int64_t ptx = 0;              ///< 1: makes them of PTX, which has none of one capability alone
  int64_t launches = 0;         ///< counted
  int64_t allocated_bytes = 0;  ///< counted
};

/// One for the process. Fields are for who holds the mutex.
class DoubleState {
 public:
  [[nodiscard]] static DoubleState& get();

  std::recursive_mutex mutex;
  DoubleSettings settings;
  std::string fault;  ///< of the emulator, the last
  bool lost = false;  ///< every call fails until the context is reset
  /// Of a context that was lost they stay: nothing may be destroyed in it.
  std::vector<std::unique_ptr<DoubleStream>> streams;
  std::vector<std::unique_ptr<DoubleGraph>> executables;

  [[nodiscard]] int allocate(size_t bytes, uint64_t* address);
  [[nodiscard]] int release(uint64_t address);
  [[nodiscard]] int allocate_pinned(size_t bytes, void** memory);
  [[nodiscard]] int release_pinned(void* memory);
  [[nodiscard]] bool pinned(const void* memory) const;
  [[nodiscard]] bool on_device(uint64_t address, size_t bytes) const;
  [[nodiscard]] size_t free_bytes() const;

  /// Does what waits in the stream, in order.
  [[nodiscard]] int finish(DoubleStream& stream);
  [[nodiscard]] int finish_all();
  /// Does it now, or later, or keeps it for a graph.
  [[nodiscard]] int enqueue(DoubleStream& stream, Work work);
  [[nodiscard]] int launch(DoubleKernel& kernel, const Launch& launch,
                           const std::vector<unsigned char>& params);

 private:
  struct Block {
    void* base = nullptr;
    size_t mapped = 0;
    size_t bytes = 0;
  };

  DoubleState();
  void set_access(bool open);

  std::map<uint64_t, Block> device_;
  std::map<uint64_t, Block> pinned_;
};

}  // namespace tamis::cuda::emulator
