// What a plan knows of each value: the dtype that it is kept in, and where it lies while a block
// runs.
//
// Is: an entry per value, slots shared by values that are never alive together. Is not: an
// allocation; sizes follow from the block. May use: graph.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engines/cpu/block.h"
#include "engines/cpu/quantized_rows.h"
#include "graph/graph.h"

namespace tamis::engines::cpu {

/// Memory reused by values of one symbol, one after the other.
struct Slot {
  graph::Symbol symbol = graph::Symbol::kTokens;
  int64_t bytes_per_unit = 0;
};

/// One value, or one quantized copy.
struct ValueEntry {
  DType dtype = DType::kF32;
  int slot = -1;  ///< ValueTable::kNoSlot for inputs, constants and outputs
};

/// Immutable, so safe to share.
struct ValueTable {
  static constexpr int kNoSlot = -1;
  std::vector<Slot> slots;
  /// By value id, then by quantized copy.
  std::vector<ValueEntry> values;

  [[nodiscard]] const ValueEntry& of(graph::ValueId id) const {
    return values[static_cast<size_t>(id)];
  }
  /// Byte offsets of the slots for a block; returns the bytes in all.
  size_t offsets(const Block& block, std::vector<size_t>& out) const;
};

/// `storage` has the dtype of each value (choose_storage). Outputs get no slot: they are written
/// where the caller wants them. `made_at` has of each node the one, it or an earlier, whose step
/// makes its output too; empty: each its own.
[[nodiscard]] ValueTable make_value_table(const graph::Graph& graph, std::span<const DType> storage,
                                          std::span<const QuantizedRows> copies,
                                          std::span<const int> made_at = {});

}  // namespace tamis::engines::cpu
