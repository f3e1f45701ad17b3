#include <array>

#include "base/error.h"
#include "passes/match.h"
#include "passes/merge_matmuls.h"

namespace tamis::passes {

namespace {

using graph::Node;
using graph::Operand;
using graph::OpKind;
using graph::RotaryAttributes;
using graph::ValueId;

/// The MatMuls of an Attention's q, k and v, and what turns the first two.
struct Projections {
  std::array<const Node*, 3> qkv = {};
  std::array<const Node*, 2> rotary = {};  // both or neither
};

// Queries and keys that turn alike, but for their numbers of heads.
bool turn_alike(const Node& q, const Node& k) {
  RotaryAttributes attributes = q.attribute<RotaryAttributes>();
  attributes.heads = k.attribute<RotaryAttributes>().heads;
  return attributes == k.attribute<RotaryAttributes>() &&
         q.operand(Operand::kFrequencies) == k.operand(Operand::kFrequencies);
}

// All columns are heads', so that those of the keys follow the queries' as heads of one value.
bool turns_all(const graph::Graph& graph, const Node& rotary) {
  const auto& attributes = rotary.attribute<RotaryAttributes>();
  return graph.value(rotary.output).shape[1].size == attributes.heads * attributes.head_size;
}

bool find_projections(const graph::Graph& graph, const Uses& uses, const Node& attention,
                      Projections& found) {
  if (!attention.has(Operand::kV)) return false;
  constexpr Operand kOperands[] = {Operand::kQ, Operand::kK, Operand::kV};
  for (size_t i = 0; i < 3; ++i) {
    ValueId part = attention.operand(kOperands[i]);
    if (!uses.used_once(part)) return false;
    const Node* rotary = uses.producer(part, OpKind::kRotary);
    if (rotary != nullptr) {
      if (i == 2 || !turns_all(graph, *rotary)) return false;
      found.rotary[i] = rotary;
      part = rotary->operand(Operand::kX);
      if (!uses.used_once(part)) return false;
    }
    found.qkv[i] = uses.producer(part, OpKind::kMatMul);
    if (found.qkv[i] == nullptr) return false;
  }
  const auto& [q, k] = found.rotary;
  if ((q == nullptr) != (k == nullptr)) return false;
  return (q == nullptr || turn_alike(*q, *k)) && can_merge(found.qkv);
}

// The Rotary of the merged value at `index`.
ValueId turn_together(graph::Graph& graph, size_t index, ValueId qkv, const Node& q,
                      const Node& k) {
  RotaryAttributes attributes = q.attribute<RotaryAttributes>();
  attributes.heads += k.attribute<RotaryAttributes>().heads;
  const std::string scope = q.scope;
  return graph.insert_node(index, OpKind::kRotary, {qkv, q.operand(Operand::kFrequencies)},
                           attributes, scope, cat(scope, ".rotary"));
}

// Node i is the Attention; how many nodes were put before it.
size_t fuse(graph::Graph& graph, size_t i, const Projections& found, Stacks& stacks) {
  const std::string scope = graph.nodes()[i].scope;
  MergedMatMul merged = merge(graph, found.qkv, stacks, "+key+value");
  const bool turned = found.rotary[0] != nullptr;
  const Node q = turned ? *found.rotary[0] : Node();
  const Node k = turned ? *found.rotary[1] : Node();
  ValueId qkv = graph.insert_node(i, OpKind::kMatMul, std::move(merged.inputs),
                                  graph::MatMulAttributes{}, scope, cat(scope, ".qkv"));
  graph.nodes()[i].quantizers = std::move(merged.quantizers);
  if (turned) qkv = turn_together(graph, i + 1, qkv, q, k);
  const size_t added = turned ? 2 : 1;
  Node& attention = graph.nodes()[i + added];
  attention.set_operand(Operand::kQ, qkv);
  attention.set_operand(Operand::kK, graph::kNoValue);
  attention.set_operand(Operand::kV, graph::kNoValue);
  return added;
}

/// The MatMuls of keys and values.
using KeysAndValues = std::array<const Node*, 2>;

// Those of one value, where the queries are made of another: attention to an encoder's rows.
bool find_keys_and_values(const Uses& uses, const Node& attention, KeysAndValues& found) {
  if (!attention.has(Operand::kV)) return false;
  constexpr Operand kOperands[] = {Operand::kK, Operand::kV};
  for (size_t i = 0; i < 2; ++i) {
    const ValueId part = attention.operand(kOperands[i]);
    found[i] = uses.used_once(part) ? uses.producer(part, OpKind::kMatMul) : nullptr;
    if (found[i] == nullptr) return false;
  }
  const Node* q = uses.producer(attention.operand(Operand::kQ), OpKind::kMatMul);
  return q != nullptr && q->operand(Operand::kX) != found[0]->operand(Operand::kX) &&
         can_merge(found);
}

// Node i is the Attention; one node is put before it.
void fuse(graph::Graph& graph, size_t i, const KeysAndValues& found, Stacks& stacks) {
  const std::string scope = graph.nodes()[i].scope;
  MergedMatMul merged = merge(graph, found, stacks, "+value");
  const ValueId kv = graph.insert_node(i, OpKind::kMatMul, std::move(merged.inputs),
                                       graph::MatMulAttributes{}, scope, cat(scope, ".kv"));
  graph.nodes()[i].quantizers = std::move(merged.quantizers);
  Node& attention = graph.nodes()[i + 1];
  attention.set_operand(Operand::kK, kv);
  attention.set_operand(Operand::kV, graph::kNoValue);
}

}  // namespace

// Three MatMuls of one value that only an Attention reads become one MatMul of the stacked weights,
// which are stacked once however many layers share them. Where queries and keys turn by rotary
// positions on the way, they turn together: keys are heads behind those of the queries. Where the
// queries are of another value, the two others become one.
bool fuse_qkv(graph::Graph& graph) {
  bool changed = false;
  Stacks stacks;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    if (graph.nodes()[i].op != OpKind::kAttention) continue;
    const Uses uses(graph);
    Projections found;
    KeysAndValues pair = {};
    if (find_projections(graph, uses, graph.nodes()[i], found)) {
      i += fuse(graph, i, found, stacks);
    } else if (find_keys_and_values(uses, graph.nodes()[i], pair)) {
      fuse(graph, i++, pair, stacks);
    } else {
      continue;
    }
    changed = true;
  }
  if (changed) graph.remove_dead();
  return changed;
}

}  // namespace tamis::passes
