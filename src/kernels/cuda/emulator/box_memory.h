// What boxes and products of warpgroups do to shared memory beside the threads' own accesses.
//
// Is: which box each 16 bytes came with, who read it, and whether what follows is ordered behind
// that. Is not: the bytes (shared_memory.h), or boxes on their way (hopper.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/cuda/emulator/clock.h"
#include "kernels/cuda/emulator/mbarriers.h"

namespace tamis::cuda::emulator {

/// Who does something: a warp and what it knows.
struct Actor {
  int warp = 0;
  const Clock* clock = nullptr;
};

/// note_*() give what is wrong, "" if nothing is.
class BoxMemory {
 public:
  static constexpr uint32_t kUnitBytes = 16;

  explicit BoxMemory(size_t bytes) : units_((bytes + kUnitBytes - 1) / kUnitBytes) {}
  void clear();

  /// A box that is about to be copied; `number` is its own from here on.
  [[nodiscard]] std::string note_box(uint32_t to, uint32_t bytes, int barrier,
                                     const Mbarriers& barriers, const Actor& actor, int& number);
  void note_landing(int number) { boxes_[static_cast<size_t>(number)].landed = true; }
  /// A product begins to read `kUnitBytes`, or has read them.
  [[nodiscard]] std::string note_product(uint32_t address, const Actor& actor);
  void note_product_end(uint32_t address, const Actor& actor);
  /// A thread's own access.
  [[nodiscard]] std::string note_access(uint32_t address, uint32_t bytes, bool write,
                                        const Actor& actor);

 private:
  struct Box {
    int barrier = 0;
    uint32_t phase = 0;  ///< of the barrier, that its landing completes
    bool landed = false;
    std::vector<uint32_t> reads;  ///< each warp's last
  };
  struct Unit {
    int box = -1;
    int products = 0;  ///< that read it now
    bool by_threads = false;
  };

  [[nodiscard]] Unit& unit(uint32_t address) { return units_[address / kUnitBytes]; }
  [[nodiscard]] std::string why_not_read(const Unit& unit, const Actor& actor) const;
  [[nodiscard]] std::string why_not_written(const Unit& unit, const Actor& actor) const;

  std::vector<Unit> units_;
  std::vector<Box> boxes_;
};

}  // namespace tamis::cuda::emulator
