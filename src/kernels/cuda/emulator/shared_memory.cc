#include "kernels/cuda/emulator/shared_memory.h"

#include <algorithm>

namespace tamis::cuda::emulator {

namespace {

// Whether nothing orders an earlier access before this one. Inside a warp a warp barrier does.
bool unordered(const Access& earlier, const Access& now, const Clock* clock) {
  if (earlier.thread < 0 || earlier.epoch != now.epoch || earlier.thread == now.thread) {
    return false;
  }
  if (earlier.warp == now.warp) return earlier.sync == now.sync;
  return clock == nullptr || clock->of_warp(earlier.warp) < earlier.moment;
}

}  // namespace

SharedMemory::SharedMemory(size_t bytes, bool check)
    : memory_(bytes), shadow_(check ? (bytes + 1) / 2 : 0) {}

void SharedMemory::clear() { std::fill(shadow_.begin(), shadow_.end(), Shadow{}); }

unsigned char* SharedMemory::at(uint32_t address, uint32_t bytes, const char** fault) {
  if (address % bytes != 0) {
    *fault = "misaligned shared access";
  } else if (size_t{address} + bytes > memory_.size()) {
    *fault = "shared access out of bounds";
  } else {
    return memory_.data() + address;
  }
  return nullptr;
}

const char* SharedMemory::note(uint32_t address, uint32_t bytes, bool write, const Access& access,
                               const Clock* clock) {
  if (shadow_.empty()) return "";
  for (uint32_t unit = address / 2; unit < (address + bytes + 1) / 2; ++unit) {
    const char* fault = note_unit(shadow_[unit], write, access, clock);
    if (*fault == '\0') continue;
    fault_byte_ = unit * 2;
    return fault;
  }
  return "";
}

void SharedMemory::note_landed(uint32_t address, uint32_t bytes) {
  if (shadow_.empty()) return;
  for (uint32_t unit = address / 2; unit < (address + bytes + 1) / 2; ++unit) {
    shadow_[unit] = {};
    shadow_[unit].written = true;
  }
}

const char* SharedMemory::note_unit(Shadow& unit, bool write, const Access& access,
                                    const Clock* clock) {
  if (unordered(unit.write, access, clock)) {
    fault_thread_ = unit.write.thread;
    return write ? "race: write after a write since the last barrier"
                 : "race: read after a write since the last barrier";
  }
  if (!write) {
    fault_thread_ = -1;
    if (!unit.written) return "read of shared memory that nothing wrote";
    remember_read(unit, access);
    return "";
  }
  const bool same_epoch = unit.read.thread >= 0 && unit.read.epoch == access.epoch;
  // Of many readers the last alone is known, which is all that a clock is asked about.
  const bool by_many = unit.read_by_many_warps
                           ? clock == nullptr
                           : unit.read_by_many && unit.read.sync == access.sync &&
                                 (clock == nullptr || unit.read.warp == access.warp);
  const bool by_others = by_many || unordered(unit.read, access, clock);
  if (same_epoch && by_others) {
    fault_thread_ = unit.read.thread;
    return "race: write after a read since the last barrier";
  }
  unit.write = access;
  unit.written = true;
  return "";
}

void SharedMemory::remember_read(Shadow& unit, const Access& access) {
  if (unit.read.thread < 0 || unit.read.epoch != access.epoch) {
    unit.read_by_many = false;
    unit.read_by_many_warps = false;
  } else {
    unit.read_by_many = unit.read_by_many || unit.read.thread != access.thread;
    unit.read_by_many_warps = unit.read_by_many_warps || unit.read.warp != access.warp;
  }
  unit.read = access;
}

}  // namespace tamis::cuda::emulator
