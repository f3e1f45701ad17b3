#include <algorithm>
#include <map>

#include "base/error.h"
#include "passes/match.h"

namespace tamis::passes {

namespace {

using graph::Node;
using graph::OpKind;
using graph::Symbol;
using graph::ValueId;

/// A choice of rows that models make of their last hidden states.
struct Selection {
  OpKind op;                // what picks the rows out
  Symbol symbol;            // what counts them
  std::string_view suffix;  // of the name of a value that is picked out
};
constexpr Selection kSelections[] = {
    {OpKind::kSelectFirstTokens, Symbol::kFirst, ".first"},
    {OpKind::kSelectTokens, Symbol::kSelected, ".selected"},
};

/// What of a value the outputs depend on.
enum class Rows : uint8_t { kNone, kSelected, kAll };

// Each output row depends on the rows of the same number only.
bool is_rowwise(OpKind op) {
  switch (op) {
    case OpKind::kAdd:
    case OpKind::kMul:
    case OpKind::kActivation:
    case OpKind::kMatMul:
    case OpKind::kLayerNormalization:
    case OpKind::kSkipLayerNormalization:
      return true;
    case OpKind::kPositionIds:
    case OpKind::kGather:
    case OpKind::kSelectTokens:
    case OpKind::kSelectFirstTokens:
    case OpKind::kAttentionScores:
    case OpKind::kSoftmax:
    case OpKind::kAttentionContext:
    case OpKind::kSequencePool:
    case OpKind::kEmbedLayerNormalization:
    case OpKind::kAttention:
    case OpKind::kFakeQuantize:
      return false;
  }
  return false;
}

/// Moves one selection up through the nodes that work row by row.
class RowDropper {
 public:
  RowDropper(graph::Graph& graph, const Selection& selection)
      : graph_(graph), selection_(selection), needed_(graph.value_count(), Rows::kNone) {}

  bool run() {
    find_needed_rows();
    bool changed = false;
    for (size_t i = 0; i < graph_.nodes().size(); ++i) {
      if (picks_rows(graph_.nodes()[i])) {
        take_selected(i);
      } else if (needed(graph_.nodes()[i].output) == Rows::kSelected) {
        i += narrow(i);
        changed = true;
      }
    }
    if (changed) graph_.remove_dead();
    return changed;
  }

 private:
  [[nodiscard]] bool has_token_rows(ValueId id) const {
    return id != graph::kNoValue && !graph_.is_constant(id) && graph_.value(id).shape.rank() == 2 &&
           graph_.value(id).shape[0].symbol == Symbol::kTokens;
  }

  // A pool of the first tokens picks rows out as SelectFirstTokens does.
  [[nodiscard]] bool picks_rows(const Node& node) const {
    if (node.op == OpKind::kSequencePool && selection_.symbol == Symbol::kFirst) {
      return node.attribute<graph::PoolAttributes>().modes == std::vector{graph::PoolMode::kCls};
    }
    return node.op == selection_.op;
  }

  // Values that this class adds are selections already.
  [[nodiscard]] Rows needed(ValueId id) const {
    const auto at = static_cast<size_t>(id);
    return at < needed_.size() ? needed_[at] : Rows::kNone;
  }
  void need(ValueId id, Rows rows) {
    if (id == graph::kNoValue) return;
    Rows& known = needed_[static_cast<size_t>(id)];
    known = std::max(known, rows);
  }

  void find_needed_rows() {
    for (const graph::GraphOutput& output : graph_.outputs()) need(output.value, Rows::kAll);
    for (auto node = graph_.nodes().rbegin(); node != graph_.nodes().rend(); ++node) {
      if (needed(node->output) == Rows::kNone) continue;
      if (needed(node->output) == Rows::kSelected && !is_rowwise(node->op)) {
        need(node->output, Rows::kAll);
      }
      const Rows rows = picks_rows(*node) ? Rows::kSelected : needed(node->output);
      for (const ValueId input : node->inputs) {
        need(input, has_token_rows(input) ? rows : Rows::kAll);
      }
    }
  }

  // Node i computes the selected rows only. Returns how many nodes were put before it.
  size_t narrow(size_t i) {
    size_t added = 0;
    for (size_t k = 0; k < graph_.nodes()[i + added].inputs.size(); ++k) {
      const ValueId input = graph_.nodes()[i + added].inputs[k];
      if (!has_token_rows(input)) continue;
      const auto known = picked_.find(input);
      if (known == picked_.end()) {
        picked_[input] = pick(i, input);
        ++added;
      }
      graph_.nodes()[i + added].inputs[k] = picked_[input];
    }
    const Node& node = graph_.nodes()[i + added];
    graph_.value(node.output).shape = graph::infer_output(graph_, node).shape;
    return added;
  }

  ValueId pick(size_t index, ValueId input) {
    const std::string name = cat(graph_.value(input).name, selection_.suffix);
    const std::string scope = graph_.nodes()[index].scope;
    return graph_.insert_node(index, selection_.op, {input}, graph::NoAttributes{}, scope, name);
  }

  // A selection of what is selected by now is what it reads. A pool stays: its rows are sequences'.
  void take_selected(size_t i) {
    const ValueId input = graph_.nodes()[i].inputs[0];
    const ValueId output = graph_.nodes()[i].output;
    if (graph_.nodes()[i].op == OpKind::kSequencePool || has_token_rows(input)) return;
    for (Node& node : graph_.nodes()) {
      std::replace(node.inputs.begin(), node.inputs.end(), output, input);
    }
    for (graph::GraphOutput& out : graph_.outputs()) {
      if (out.value == output) out.value = input;
    }
  }

  graph::Graph& graph_;
  const Selection& selection_;
  std::vector<Rows> needed_;           // by the value ids of the start
  std::map<ValueId, ValueId> picked_;  // selections made of values that keep all rows
};

}  // namespace

// Rows that no output needs are dropped behind the last attention: a model that is pooled by its
// first tokens computes one row a sequence there, a masked-word head the selected tokens' rows.
bool select_outputs(graph::Graph& graph) {
  bool changed = false;
  for (const Selection& selection : kSelections) {
    changed = RowDropper(graph, selection).run() || changed;
  }
  return changed;
}

}  // namespace tamis::passes
