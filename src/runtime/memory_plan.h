// Where each intermediate value lies while a block runs.
//
// Is: a slot a value, slots shared by values that are never alive together. Is not: an allocation;
// sizes follow from the block. May use: graph.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "runtime/block.h"

namespace tamis::runtime {

struct QuantizedRows;

/// Memory reused by values of one symbol, one after the other.
struct Slot {
  graph::Symbol symbol = graph::Symbol::kTokens;
  int64_t bytes_per_unit = 0;
};

/// Immutable, so safe to share.
struct MemoryPlan {
  static constexpr int kNoSlot = -1;
  std::vector<Slot> slots;
  /// By value id, then by quantized copy; kNoSlot for inputs, constants and outputs.
  std::vector<int> slot_of;

  /// Byte offsets of the slots for a block; returns the bytes in all.
  size_t offsets(const Block& block, std::vector<size_t>& out) const;
};

/// Outputs get no slot: they are written where the caller wants them.
[[nodiscard]] MemoryPlan plan_memory(const graph::Graph& graph,
                                     std::span<const QuantizedRows> copies = {});

}  // namespace tamis::runtime
