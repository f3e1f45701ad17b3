#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "passes/match.h"

namespace tamis::passes {

namespace {

using graph::Node;
using graph::Operand;
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
    case OpKind::kGlu:
    case OpKind::kMatMul:
    case OpKind::kQuantizedMatMul:
    case OpKind::kRouteTokens:
    case OpKind::kExpertMatMul:
    case OpKind::kCombineExperts:
    case OpKind::kRMSNormalization:
    case OpKind::kRotary:
    case OpKind::kTokenNormalize:
    case OpKind::kLayerNormalization:
    case OpKind::kSkipLayerNormalization:
      return true;
    case OpKind::kPositionIds:
    case OpKind::kShiftIds:
    case OpKind::kGather:
    case OpKind::kUnfold:
    case OpKind::kTokenDropout:
    case OpKind::kVocabularyPool:
    case OpKind::kSelectTokens:
    case OpKind::kSelectFirstTokens:
    case OpKind::kLstm:
    case OpKind::kScoreSpans:
    case OpKind::kAttentionScores:
    case OpKind::kSoftmax:
    case OpKind::kAttentionContext:
    case OpKind::kMergeGlobal:
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
      return node.attribute<graph::PoolAttributes>().modes == std::vector{Pooling::kCls};
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
      if (needed(node->output) == Rows::kSelected && !can_narrow(*node)) {
        need(node->output, Rows::kAll);
      }
      const Rows rows = picks_rows(*node) ? Rows::kSelected : needed(node->output);
      for (size_t k = 0; k < node->inputs.size(); ++k) {
        // Of attention's operands only the queries are read row by row.
        const bool by_row = node->op != OpKind::kAttention || (k == 0 && node->has(Operand::kK));
        need(node->inputs[k], by_row && has_token_rows(node->inputs[k]) ? rows : Rows::kAll);
      }
    }
  }

  [[nodiscard]] bool can_narrow(const Node& node) const {
    if (node.op != OpKind::kAttention) return is_rowwise(node.op);
    // Integers inside the attention are simulated for all rows only.
    if (std::any_of(node.quantizers.begin(), node.quantizers.end(),
                    [](const graph::Quantizer& mark) { return mark.enabled; })) {
      return false;
    }
    return node.has(Operand::kK) || merged_projection(node) != nullptr;
  }

  // The MatMul that makes q, k and v of an Attention in one, if it can be cut in two without
  // packing a weight twice.
  [[nodiscard]] const Node* merged_projection(const Node& attention) const {
    const Uses uses(graph_);
    ValueId qkv = attention.operand(Operand::kQ);
    if (const Node* turn = merged_turn(uses, attention)) {
      if (!turns_queries_and_keys(attention, *turn)) return nullptr;
      qkv = turn->operand(Operand::kX);
    }
    const Node* matmul = uses.producer(qkv, OpKind::kMatMul);
    if (matmul == nullptr) matmul = uses.producer(qkv, OpKind::kQuantizedMatMul);
    const bool cut = matmul != nullptr && uses.used_once(matmul->output) &&
                     uses.used_once(matmul->operand(Operand::kWeight)) &&
                     graph_.is_constant(matmul->operand(Operand::kWeight)) &&
                     !matmul->has(Operand::kResidual);
    return cut ? matmul : nullptr;
  }

  // What turns queries and keys between their projection and the attention that alone reads them.
  [[nodiscard]] static const Node* merged_turn(const Uses& uses, const Node& attention) {
    const ValueId qkv = attention.operand(Operand::kQ);
    return uses.used_once(qkv) ? uses.producer(qkv, OpKind::kRotary) : nullptr;
  }

  // Whether the parts that turn end where the queries do, with keys behind them.
  [[nodiscard]] bool turns_queries_and_keys(const Node& attention, const Node& turn) const {
    const auto& fields = turn.attribute<graph::RotaryAttributes>();
    const int64_t queries = graph_.value(attention.output).shape[1].size;
    return queries % fields.head_size == 0 && fields.heads > queries / fields.head_size;
  }

  // Gives the Attention at i queries of their own, of the selected rows. Returns how many nodes
  // were put before it.
  size_t cut_queries(size_t i) {
    const Node matmul = *merged_projection(graph_.nodes()[i]);
    const Node* merged = merged_turn(Uses(graph_), graph_.nodes()[i]);
    const std::optional<Node> turn = merged == nullptr ? std::nullopt : std::optional(*merged);
    const int64_t n = graph_.value(graph_.nodes()[i].output).shape[1].size;
    const int64_t end = graph_.value(matmul.output).shape[1].size;
    ValueId q = cut_rows(i, matmul, {0, n, "q"});
    ValueId kv = cut_rows(i + 1, matmul, {n, end, "kv"});
    // The cut MatMul for the queries then reads picked rows, like any other.
    size_t added = narrow(i) + 2;
    if (turn) {
      const auto& fields = turn->attribute<graph::RotaryAttributes>();
      const int64_t heads = n / fields.head_size;
      q = cut_turn(i + added, *turn, q, heads);
      kv = cut_turn(i + added + 1, *turn, kv, fields.heads - heads);
      added += 2;
    }
    graph_.nodes()[i + added].set_operand(Operand::kQ, q);
    graph_.nodes()[i + added].set_operand(Operand::kK, kv);
    return added;
  }

  // The turn of a part of what `turn` reads.
  ValueId cut_turn(size_t index, const Node& turn, ValueId part, int64_t heads) {
    auto attributes = turn.attribute<graph::RotaryAttributes>();
    attributes.heads = heads;
    return graph_.insert_node(index, OpKind::kRotary, {part, turn.operand(Operand::kFrequencies)},
                              attributes, turn.scope, cat(graph_.value(part).name, ".rotary"));
  }

  /// Output columns of a MatMul, which are rows of its weight.
  struct Cut {
    int64_t begin;
    int64_t end;
    std::string_view name;
  };

  ValueId cut_rows(size_t index, const Node& matmul, const Cut& cut) {
    // These have a row for each output column.
    constexpr Operand kByRow[] = {Operand::kWeight, Operand::kBias, Operand::kWeightScale,
                                  Operand::kOutlierWeight};
    Node half = matmul;
    for (const Operand operand : kByRow) {
      if (!matmul.has(operand)) continue;
      const graph::Value& whole = graph_.value(matmul.operand(operand));
      auto part = std::make_shared<const Tensor>(whole.constant->rows(cut.begin, cut.end));
      half.set_operand(operand,
                       graph_.add_constant(cat(whole.name, ".", cut.name), std::move(part)));
    }
    const std::string name = cat(graph_.value(matmul.output).name, ".", cut.name);
    const ValueId output = graph_.insert_node(index, matmul.op, std::move(half.inputs),
                                              matmul.attributes, matmul.scope, name);
    graph_.nodes()[index].quantizers = marks_of(matmul, cut.begin == 0);
    return output;
  }

  // The marks of the queries' part, the first of three, or of the rest. Marks that are not three
  // stand for both parts.
  static std::vector<graph::Quantizer> marks_of(const Node& matmul, bool queries) {
    std::vector<graph::Quantizer> marks;
    std::vector<graph::Quantizer> weights;
    move_marks(matmul, Operand::kX, Operand::kX, marks);
    move_marks(matmul, Operand::kWeight, Operand::kWeight, weights);
    for (graph::Quantizer& mark : marks) {
      if (mark.names.size() != 3) continue;
      const auto second = mark.names.begin() + 1;
      mark.names.erase(queries ? second : mark.names.begin(), queries ? mark.names.end() : second);
    }
    if (weights.size() == 3) {
      const auto second = weights.begin() + 1;
      weights.erase(queries ? second : weights.begin(), queries ? weights.end() : second);
    }
    marks.insert(marks.end(), weights.begin(), weights.end());
    return marks;
  }

  // Node i computes the selected rows only. Returns how many nodes were put before it.
  size_t narrow(size_t i) {
    if (graph_.nodes()[i].op == OpKind::kAttention) return narrow_attention(i);
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

  size_t narrow_attention(size_t i) {
    size_t added = 0;
    if (!graph_.nodes()[i].has(Operand::kK)) {
      added = cut_queries(i);
    } else {
      const ValueId q = graph_.nodes()[i].operand(Operand::kQ);
      if (has_token_rows(q)) {
        added += picked_.contains(q) ? 0 : 1;
        if (added > 0) picked_[q] = pick(i, q);
        graph_.nodes()[i + added].set_operand(Operand::kQ, picked_[q]);
      }
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
    const ValueId input = graph_.nodes()[i].operand(Operand::kX);
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

// Rows that no output needs are dropped from the last attention's queries on: a model that is
// pooled by its first tokens computes one row a sequence there, a masked-word head the selected
// tokens'.
bool select_outputs(graph::Graph& graph) {
  bool changed = false;
  for (const Selection& selection : kSelections) {
    changed = RowDropper(graph, selection).run() || changed;
  }
  return changed;
}

}  // namespace tamis::passes
