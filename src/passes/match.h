// Small questions that rewrites ask of a graph, and the moves they share.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace tamis::passes {

/// Producers and consumers of every value, looked up in constant time. Valid until the graph
/// changes.
class Uses {
 public:
  explicit Uses(const graph::Graph& graph);

  /// The node that makes the value if it is of that op; nullptr otherwise.
  [[nodiscard]] const graph::Node* producer(graph::ValueId value, graph::OpKind op) const;
  /// The only node that reads the value, if it is of that op and the value is no output of the
  /// graph; nullptr otherwise.
  [[nodiscard]] const graph::Node* only_consumer(graph::ValueId value, graph::OpKind op) const;
  /// Whether exactly one node reads the value, in one operand, and it is no output of the graph.
  [[nodiscard]] bool used_once(graph::ValueId value) const;

 private:
  const graph::Graph& graph_;
  std::vector<int> producer_;
  std::vector<int> consumer_;  // the last one seen
  std::vector<int> uses_;      // operands and outputs that read the value
};

/// The node's marks on operand `from`, as marks on operand `to`, appended to `out`.
void move_marks(const graph::Node& node, graph::Operand from, graph::Operand to,
                std::vector<graph::Quantizer>& out);

/// Nodes to drop and nodes to put in their place, applied in one sweep.
class Rewrite {
 public:
  explicit Rewrite(graph::Graph& graph) : graph_(graph) {}

  /// The node at `at` becomes `replacement`, which writes at's output.
  void replace(const graph::Node* at, graph::Node replacement);
  /// The node goes; nothing may read its output afterwards.
  void erase(const graph::Node* node);
  /// True if anything changed. Values that nothing names any more stay until remove_dead_values.
  bool apply();

 private:
  [[nodiscard]] size_t index_of(const graph::Node* node) const;

  graph::Graph& graph_;
  std::vector<std::pair<size_t, graph::Node>> replaced_;
  std::vector<size_t> erased_;
};

}  // namespace tamis::passes
