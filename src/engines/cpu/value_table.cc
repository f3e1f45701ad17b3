#include "engines/cpu/value_table.h"

#include <algorithm>
#include <limits>

#include "tensor/arena.h"

namespace tamis::engines::cpu {

namespace {

// For each value the index of the last node that reads it, or -1.
std::vector<int> last_uses(const graph::Graph& graph) {
  std::vector<int> last(graph.value_count(), -1);
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    for (const graph::ValueId input : graph.nodes()[i].inputs) {
      if (input != graph::kNoValue) last[static_cast<size_t>(input)] = static_cast<int>(i);
    }
  }
  return last;
}

class SlotPool {
 public:
  explicit SlotPool(std::vector<Slot>& slots) : slots_(slots) {}

  // The free slot of that symbol that grows least, a fresh one if there is none.
  int take(graph::Symbol symbol, int64_t bytes_per_unit) {
    int best = -1;
    int64_t best_waste = std::numeric_limits<int64_t>::max();
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (!free_[i] || slots_[i].symbol != symbol) continue;
      const int64_t waste = std::abs(slots_[i].bytes_per_unit - bytes_per_unit);
      if (waste < best_waste) {
        best = static_cast<int>(i);
        best_waste = waste;
      }
    }
    if (best < 0) {
      slots_.push_back({symbol, 0});
      free_.push_back(true);
      best = static_cast<int>(slots_.size()) - 1;
    }
    Slot& slot = slots_[static_cast<size_t>(best)];
    slot.bytes_per_unit = std::max(slot.bytes_per_unit, bytes_per_unit);
    free_[static_cast<size_t>(best)] = false;
    return best;
  }
  void give_back(int slot) { free_[static_cast<size_t>(slot)] = true; }

 private:
  std::vector<Slot>& slots_;
  std::vector<bool> free_;
};

}  // namespace

ValueTable make_value_table(const graph::Graph& graph, std::span<const DType> storage,
                            std::span<const QuantizedRows> copies, std::span<const int> made_at) {
  ValueTable table;
  for (const DType dtype : storage) table.values.push_back({dtype, ValueTable::kNoSlot});
  for (size_t c = 0; c < copies.size(); ++c) {
    table.values.push_back({DType::kU8, ValueTable::kNoSlot});
  }
  const std::vector<int> last = last_uses(graph);
  SlotPool pool(table.slots);
  const auto take_output = [&](const graph::Node& node) {
    if (graph.is_output(node.output)) return;
    const graph::SymbolicShape& shape = graph.value(node.output).shape;
    ValueEntry& made = table.values[static_cast<size_t>(node.output)];
    const auto bytes = static_cast<int64_t>(dtype_bytes(made.dtype));
    made.slot = pool.take(shape.symbol(), shape.elements_per_unit() * bytes);
  };
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const graph::Node& node = graph.nodes()[i];
    if (made_at.empty()) take_output(node);
    for (size_t n = i; n < made_at.size(); ++n) {
      if (made_at[n] == static_cast<int>(i)) take_output(graph.nodes()[n]);
    }
    for (size_t c = 0; c < copies.size(); ++c) {
      if (copies[c].first_node != static_cast<int>(i)) continue;
      table.values[graph.value_count() + c].slot =
          pool.take(copies[c].symbol, copies[c].bytes_per_row());
    }
    // Inputs are freed after the output took its slot: a step never writes over what it reads.
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      const graph::ValueId input = node.inputs[k];
      if (input == graph::kNoValue || last[static_cast<size_t>(input)] != static_cast<int>(i)) {
        continue;
      }
      const bool again = std::find(node.inputs.begin(), node.inputs.begin() + static_cast<long>(k),
                                   input) != node.inputs.begin() + static_cast<long>(k);
      const int used = table.of(input).slot;
      if (!again && used != ValueTable::kNoSlot) pool.give_back(used);
    }
    for (size_t c = 0; c < copies.size(); ++c) {
      if (copies[c].last_node == static_cast<int>(i)) {
        pool.give_back(table.values[graph.value_count() + c].slot);
      }
    }
    const int made = table.of(node.output).slot;
    if (made != ValueTable::kNoSlot && last[static_cast<size_t>(node.output)] < 0) {
      pool.give_back(made);
    }
  }
  return table;
}

size_t ValueTable::offsets(const Block& block, std::vector<size_t>& out) const {
  out.resize(slots.size());
  size_t total = 0;
  for (size_t i = 0; i < slots.size(); ++i) {
    out[i] = total;
    total += align_up(static_cast<size_t>(slots[i].bytes_per_unit * block.units(slots[i].symbol)));
  }
  return total;
}

}  // namespace tamis::engines::cpu
