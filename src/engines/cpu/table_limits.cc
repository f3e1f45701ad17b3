#include "engines/cpu/table_limits.h"

#include <algorithm>

#include "base/error.h"

namespace tamis::engines::cpu {

namespace {

// Where position ids come from: walks back to the PositionIds node.
const graph::PositionIdsAttributes* position_rule(const graph::Graph& graph, graph::ValueId ids) {
  const int producer = graph.producer(ids);
  if (producer < 0) return nullptr;
  return std::get_if<graph::PositionIdsAttributes>(
      &graph.nodes()[static_cast<size_t>(producer)].attributes);
}

// What a decoder reads first is no id of a batch, and so is not looked at by check_batch().
void check_first(const graph::Graph& graph, graph::ValueId ids, int64_t rows) {
  const int producer = graph.producer(ids);
  if (producer < 0) return;
  const graph::Node& node = graph.nodes()[static_cast<size_t>(producer)];
  const auto* shift = std::get_if<graph::ShiftIdsAttributes>(&node.attributes);
  const int64_t first = shift == nullptr ? 0 : shift->first;
  if (first < rows) return;
  fail(ErrorCode::kInvalidArgument, "ShiftIds at ", node.scope, ": first is ", first,
       ", but its table has ", rows, " rows");
}

// The smaller of two limits where 0 stands for none.
int64_t tighter(int64_t limit, int64_t rows) { return limit == 0 ? rows : std::min(limit, rows); }

bool counts_distances(const graph::Node& node) {
  if (node.op == graph::OpKind::kUnfold || node.op == graph::OpKind::kShiftIds) return true;
  const auto* attention = std::get_if<graph::AttentionAttributes>(&node.attributes);
  return attention != nullptr &&
         (attention->bias != graph::BiasRule::kNone || attention->max_relative_positions > 0 ||
          attention->position_buckets > 0 || attention->left > 0 || attention->right > 0 ||
          attention->global != graph::GlobalRule::kNone || attention->block_size > 0);
}

}  // namespace

bool counts_distances(const graph::Graph& graph) {
  return std::ranges::any_of(graph.nodes(),
                             [](const graph::Node& node) { return counts_distances(node); });
}

void TableLimits::limit_places(int64_t places) {
  limits_.position_rows = tighter(limits_.position_rows, places);
  limits_.max_seqlen = std::min(limits_.max_seqlen, places);
}

void TableLimits::limit_unseen(const kernels::AttentionTerms& terms, bool any) {
  const bool positions = terms.bias != nullptr || terms.by_pair();
  limits_.unseen_tokens = std::min(limits_.unseen_tokens, any && !positions ? terms.left : 0);
}

void TableLimits::limit_ids(const graph::Graph& graph, graph::ValueId ids, int64_t rows) {
  const std::string& name = graph.value(ids).name;
  if (graph::are_word_ids(graph, ids)) {
    limits_.vocab_size = tighter(limits_.vocab_size, rows);
    check_first(graph, ids, rows);
  } else if (name == graph::kTokenTypeIds) {
    limits_.type_vocab_size = tighter(limits_.type_vocab_size, rows);
  } else if (const auto* rule = position_rule(graph, ids)) {
    limits_.position_rows = tighter(limits_.position_rows, rows);
    limits_.first_position =
        rule->rule == graph::PositionRule::kRoberta ? rule->padding_idx + 1 : 0;
    limits_.max_seqlen =
        std::min(limits_.max_seqlen, limits_.position_rows - limits_.first_position);
  } else {
    fail(ErrorCode::kUnsupported, "\"", name,
         "\" indexes a table; only input_ids, token_type_ids and position ids may");
  }
}

}  // namespace tamis::engines::cpu
