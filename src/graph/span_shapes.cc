#include "graph/span_shapes.h"

#include <cstdint>

namespace tamis::graph {

namespace {

// Scores of a word; more are a damaged file.
constexpr int64_t kMostScores = int64_t{1} << 20;

void check_label_token(const Rule& rule, int64_t token) {
  rule.expect_ids(Operand::kIds);
  if (token < 0 || token > INT32_MAX) rule.refuse("a label_token of ", token);
}

// Rows whose tokens, and so their ids, are known.
const SymbolicShape& word_rows(const Rule& rule, Operand operand) {
  const SymbolicShape& rows = rule.rows(operand);
  const Symbol symbol = rows[0].symbol;
  rule.expect(symbol == Symbol::kTokens || symbol == Symbol::kSelected, operand,
              "F32 rows [T|S, n]");
  return rows;
}

SymbolicShape infer_lstm(const Rule& rule, const Node& node) {
  check_label_token(rule, node.attribute<LstmAttributes>().label_token);
  const SymbolicShape& x = word_rows(rule, Operand::kX);
  const int64_t n = x[1].size / 8;
  rule.expect(n > 0 && x[1].size == 8 * n, Operand::kX, "F32 rows [T|S, 8n]");
  for (const Operand operand : {Operand::kForward, Operand::kBackward}) {
    rule.expect_same(operand, {Dim::of(4 * n), Dim::of(n)});
    rule.expect(rule.is_constant(operand), operand, "a constant");
  }
  return {x[0], Dim::of(2 * n)};
}

SymbolicShape infer_score_spans(const Rule& rule, const Node& node) {
  const auto& fields = node.attribute<ScoreSpansAttributes>();
  check_label_token(rule, fields.label_token);
  const SymbolicShape& starts = word_rows(rule, Operand::kStarts);
  rule.expect_same(Operand::kEnds, starts);
  rule.expect_same(Operand::kLabels, {starts[0], Dim::of(starts[1].size + 1)});
  if (fields.max_width < 1 || fields.labels < 1 || fields.max_width > kMostScores / fields.labels) {
    rule.refuse("spans of ", fields.max_width, " words with ", fields.labels, " labels");
  }
  return {starts[0], Dim::of(fields.max_width * fields.labels)};
}

}  // namespace

SymbolicShape infer_words(const Rule& rule, const Node& node) {
  return node.op == OpKind::kLstm ? infer_lstm(rule, node) : infer_score_spans(rule, node);
}

}  // namespace tamis::graph
