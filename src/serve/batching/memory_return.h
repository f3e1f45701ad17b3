// Memory that large requests used goes back to the system.
//
// Is: one sleeping thread that asks the allocator to. Is not: an allocator. May use: base.
//
// glibc keeps what was freed in its arenas: four rounds of eight bodies of 15 MB left 750 MB.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

namespace tamis::serve {

/// Thread-safe.
class MemoryReturn {
 public:
  MemoryReturn();
  ~MemoryReturn();
  MemoryReturn(const MemoryReturn&) = delete;
  MemoryReturn& operator=(const MemoryReturn&) = delete;

  /// Something of so many bytes is being freed: within two seconds they are given back, unless they
  /// are few.
  void gave(int64_t bytes);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  bool wanted_ = false;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace tamis::serve
