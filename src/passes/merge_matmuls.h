// Several MatMuls of one value as one MatMul of their stacked weights.
//
// Is: the condition, the stacked constants and the marks, for the passes that look for such
// MatMuls. Is not: a pass. May use: graph.
#pragma once

#include <map>
#include <span>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace tamis::passes {

/// MatMuls in the order of their columns in the one that they become.
using MatMulParts = std::span<const graph::Node* const>;

/// Whether the parts read one value, have all a bias or none, no activation, no residual, and marks
/// that can be switched together.
[[nodiscard]] bool can_merge(MatMulParts parts);

/// Stacked constants by their parts: layers that share weights (ALBERT) go on sharing them.
class Stacks {
 public:
  /// Rows of the constants, one behind the other, as a constant named after the first with
  /// `suffix`.
  [[nodiscard]] graph::ValueId stack(graph::Graph& graph, const std::vector<graph::ValueId>& parts,
                                     std::string_view suffix);

 private:
  std::map<std::vector<graph::ValueId>, graph::ValueId> known_;
};

/// What the parts become.
struct MergedMatMul {
  std::vector<graph::ValueId> inputs;
  /// One mark on x with all names; the marks on the weights one after the other.
  std::vector<graph::Quantizer> quantizers;
};

/// Parts that can_merge(). Pointers into the graph's nodes stay valid.
[[nodiscard]] MergedMatMul merge(graph::Graph& graph, MatMulParts parts, Stacks& stacks,
                                 std::string_view suffix);

}  // namespace tamis::passes
