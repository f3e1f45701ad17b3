// A block's mbarriers: places in shared memory that count arrivals and bytes of copies.
//
// Is: PTX's mbarrier objects with phases and their parity, and what a phase passes on (clock.h). Is
// not: who waits, which is the scheduler's.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernels/cuda/emulator/clock.h"

namespace tamis::cuda::emulator {

/// One of them.
struct Mbarrier {
  uint32_t address = 0;
  uint32_t arrivals = 0;  ///< that complete a phase
  uint32_t arrived = 0;   ///< in this one
  int64_t bytes = 0;      ///< that this phase still expects
  uint32_t phases = 0;    ///< that are complete
  int warp = 0;           ///< that made it, and
  uint32_t moment = 0;    ///< when, by the warp's clock
  bool fenced = false;    ///< for the copying unit too
  Clock joining;          ///< of those who arrived
  Clock released;         ///< of complete phases
};

/// Functions that take `fault` set it to what is wrong, and then do nothing.
class Mbarriers {
 public:
  void clear();
  /// Number of the barrier at an address; -1 if there is none.
  [[nodiscard]] int find(uint32_t address) const;
  [[nodiscard]] Mbarrier& at(int number) { return barriers_[static_cast<size_t>(number)]; }
  [[nodiscard]] const Mbarrier& at(int number) const {
    return barriers_[static_cast<size_t>(number)];
  }
  /// Whether bytes hold a part of one.
  [[nodiscard]] bool covers(uint32_t address, uint32_t bytes) const;

  void init(uint32_t address, uint32_t arrivals, int warp, const Clock& clock, std::string& fault);
  /// What the warp made is there for the copying unit.
  void fence(int warp);
  void arrive(int number, const Clock& clock, uint32_t bytes, std::string& fault);
  void land(int number, uint32_t bytes);
  [[nodiscard]] bool passed(int number, uint32_t parity) const;
  /// "mbarrier at 64 (phase 0 lacks 1 of 8 arrivals and 0 bytes)".
  [[nodiscard]] std::string describe(int number) const;

 private:
  void turn(int number);

  std::vector<Mbarrier> barriers_;
  std::map<uint32_t, int> numbers_;  // by address
};

}  // namespace tamis::cuda::emulator
