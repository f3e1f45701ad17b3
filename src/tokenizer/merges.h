// BPE's merge table: which pairs of tokens join, in which order.
//
// Is: a flat hash table. Is not: the merging. May use: nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tamis::tokenizer {

/// Immutable after the last add(), then safe to read from any thread.
class MergeTable {
 public:
  struct Merge {
    uint32_t rank;
    int32_t id;
  };
  static constexpr uint32_t kNoRank = UINT32_MAX;

  void reserve(size_t merges) {
    size_t slots = 16;
    while (slots < merges * 2) slots *= 2;
    slots_.assign(slots, Slot{});
  }
  /// Of equal pairs the last counts. Only as many as reserved.
  void add(int32_t first, int32_t second, Merge merge) {
    Slot& slot = slots_[place(key_of(first, second))];
    slot.key = key_of(first, second);
    slot.merge = merge;
  }
  /// rank kNoRank if the pair does not join.
  [[nodiscard]] Merge find(int32_t first, int32_t second) const {
    return slots_[place(key_of(first, second))].merge;
  }

 private:
  static constexpr uint64_t kFree = UINT64_MAX;
  struct Slot {
    uint64_t key = kFree;
    Merge merge{kNoRank, -1};
  };
  static uint64_t key_of(int32_t first, int32_t second) {
    return static_cast<uint64_t>(static_cast<uint32_t>(first)) << 32 |
           static_cast<uint32_t>(second);
  }
  [[nodiscard]] size_t place(uint64_t key) const {
    constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15u;
    const size_t mask = slots_.size() - 1;
    size_t slot = (key * kMultiplier >> 32) & mask;
    while (slots_[slot].key != key && slots_[slot].key != kFree) slot = (slot + 1) & mask;
    return slot;
  }

  std::vector<Slot> slots_ = std::vector<Slot>(16);
};

}  // namespace tamis::tokenizer
