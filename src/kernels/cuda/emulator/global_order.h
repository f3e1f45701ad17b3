// Who wrote what of global memory in a launch, and for whom it is there.
//
// Is: a check of what blocks of one launch pass each other: a store is seen by another block only
// if a fence stood behind it and before a count, and another behind the count that found it counted
// (PTX manual, "Memory Consistency Model": release and acquire patterns, at the scope of a GPU); a
// barrier passes both on within a block. Is not: a model of which value a wrong order would give.
// Thread-safe: several OS threads may share one for parts of a grid.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace tamis::cuda::emulator {

enum class GlobalAccess : uint8_t {
  kConstant,  ///< by a path that may hold what was there when the launch began
  kFresh,
  kWrite,
};

/// A thread of a launch at one moment.
struct Moment {
  unsigned block = 0;
  int thread = 0;
  uint32_t epoch = 0;  ///< block barriers that it has passed
};

class GlobalOrder {
 public:
  /// What is wrong with the access; empty if nothing is.
  [[nodiscard]] std::string note(const void* address, uint32_t bytes, GlobalAccess access,
                                 const Moment& now);
  /// Adds 1 to the counter, notes that, and returns what was there. One step for all threads: the
  /// additions are noted in the order in which the counter saw them.
  [[nodiscard]] uint32_t count(uint32_t* counter, const Moment& now);
  void note_fence(const Moment& now);

 private:
  struct Write {
    Moment at;
    uint64_t number = 0;  ///< of its block's events
  };
  struct Fence {
    Moment at;
    uint64_t number = 0;
  };
  /// What a count made there for those who see it: all that came before its fence.
  struct Publication {
    Fence fence;
    uint64_t number = 0;  ///< of the counter's
  };
  struct Acquisition {
    Moment at;  ///< of the fence behind the count
    uint64_t counter = 0;
    uint64_t publications = 0;  ///< that the count found
  };
  struct Block {
    std::unordered_map<int, Fence> fences;        ///< each thread's last
    std::unordered_map<int, Acquisition> counts;  ///< without a fence behind them yet
    std::vector<Acquisition> acquired;
  };

  [[nodiscard]] bool is_ordered(const Write& write, const Moment& now);
  [[nodiscard]] bool covers(const Publication& publication, const Write& write) const;

  std::mutex mutex_;
  uint64_t events_ = 0;
  std::unordered_map<uint64_t, Write> writes_;  ///< by each two bytes
  std::unordered_map<unsigned, Block> blocks_;
  std::unordered_map<uint64_t, std::vector<Publication>> publications_;  ///< by counter
};

}  // namespace tamis::cuda::emulator
