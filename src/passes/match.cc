#include "passes/match.h"

#include <algorithm>

#include "base/error.h"

namespace tamis::passes {

Uses::Uses(const graph::Graph& graph)
    : graph_(graph),
      producer_(graph.value_count(), -1),
      consumer_(graph.value_count(), -1),
      uses_(graph.value_count(), 0) {
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const graph::Node& node = graph.nodes()[i];
    producer_[static_cast<size_t>(node.output)] = static_cast<int>(i);
    for (const graph::ValueId input : node.inputs) {
      if (input == graph::kNoValue) continue;
      consumer_[static_cast<size_t>(input)] = static_cast<int>(i);
      ++uses_[static_cast<size_t>(input)];
    }
  }
  for (const graph::GraphOutput& output : graph.outputs()) {
    // Two, so that an output is never taken for a value that one node alone reads.
    uses_[static_cast<size_t>(output.value)] += 2;
  }
}

const graph::Node* Uses::producer(graph::ValueId value, graph::OpKind op) const {
  if (value == graph::kNoValue) return nullptr;
  const int index = producer_[static_cast<size_t>(value)];
  if (index < 0 || graph_.nodes()[static_cast<size_t>(index)].op != op) return nullptr;
  return &graph_.nodes()[static_cast<size_t>(index)];
}

bool Uses::used_once(graph::ValueId value) const { return uses_[static_cast<size_t>(value)] == 1; }

const graph::Node* Uses::only_consumer(graph::ValueId value, graph::OpKind op) const {
  if (!used_once(value)) return nullptr;
  const graph::Node& node =
      graph_.nodes()[static_cast<size_t>(consumer_[static_cast<size_t>(value)])];
  return node.op == op ? &node : nullptr;
}

void move_marks(const graph::Node& node, graph::Operand from, graph::Operand to,
                std::vector<graph::Quantizer>& out) {
  for (graph::Quantizer mark : node.quantizers) {
    if (mark.operand != from) continue;
    mark.operand = to;
    out.push_back(std::move(mark));
  }
}

size_t Rewrite::index_of(const graph::Node* node) const {
  return static_cast<size_t>(node - graph_.nodes().data());
}

void Rewrite::replace(const graph::Node* at, graph::Node replacement) {
  replacement.output = at->output;
  replaced_.emplace_back(index_of(at), std::move(replacement));
}

void Rewrite::erase(const graph::Node* node) { erased_.push_back(index_of(node)); }

bool Rewrite::apply() {
  if (replaced_.empty() && erased_.empty()) return false;
  for (auto& item : replaced_) graph_.nodes()[item.first] = std::move(item.second);
  std::sort(erased_.begin(), erased_.end());
  size_t next_erased = 0;
  std::vector<graph::Node> kept;
  for (size_t i = 0; i < graph_.nodes().size(); ++i) {
    if (next_erased < erased_.size() && erased_[next_erased] == i) {
      ++next_erased;
    } else {
      kept.push_back(std::move(graph_.nodes()[i]));
    }
  }
  graph_.nodes() = std::move(kept);
  // The values that the erased nodes made are gone too.
  graph_.remove_dead();
  return true;
}

}  // namespace tamis::passes
