// The shape rule of every op.
#include "base/outliers.h"
#include "graph/expert_shapes.h"
#include "graph/shape_rule.h"
#include "graph/span_shapes.h"

namespace tamis::graph {

namespace {

SymbolicShape token_matrix(int64_t n) { return {Dim::of(Symbol::kTokens), Dim::of(n)}; }

SymbolicShape infer_gather(const Rule& rule) {
  const int64_t n = rule.token_table();
  rule.expect_ids(Operand::kIds);
  return token_matrix(n);
}

SymbolicShape infer_elementwise(const Rule& rule, bool scalar_allowed) {
  const SymbolicShape& left = rule.shape(Operand::kX);
  const SymbolicShape& right = rule.shape(Operand::kY);
  const bool same = right == left;
  const bool row = right.rank() == 1 && left.rank() == 2 && right[0] == left[1];
  const bool scalar = scalar_allowed && right.rank() == 0;
  rule.expect(same || row || scalar, Operand::kY, cat("something that fits ", left.to_string()));
  return left;
}

SymbolicShape infer_glu(const Rule& rule) {
  const SymbolicShape& x = rule.rows(Operand::kX);
  rule.expect(x[1].size % 2 == 0, Operand::kX, "F32 rows [R, 2n]");
  return {x[0], Dim::of(x[1].size / 2)};
}

void check_heads(const Rule& rule, int64_t width, int64_t heads) {
  if (heads <= 0 || width % heads != 0) {
    rule.refuse(heads, " heads do not divide ", width, " columns");
  }
}

SymbolicShape infer_rotary(const Rule& rule, const Node& node) {
  const auto& fields = node.attribute<RotaryAttributes>();
  const SymbolicShape& x = rule.rows(Operand::kX);
  rule.expect(counts_tokens(x[0].symbol), Operand::kX, "F32 rows [T|S|F, n]");
  const int64_t width = x[1].size;
  if (fields.head_size <= 0 || fields.heads <= 0 || fields.heads > width / fields.head_size) {
    rule.refuse(fields.heads, " heads of ", fields.head_size, " columns are not in ", width);
  }
  if (fields.long_from < 0) rule.refuse("long_from ", fields.long_from);
  const SymbolicShape& frequencies = rule.shape(Operand::kFrequencies);
  const bool two = fields.long_from > 0;
  const size_t rank = two ? 2 : 1;
  rule.expect(rule.is_constant(Operand::kFrequencies) &&
                  rule.value(Operand::kFrequencies).dtype == DType::kF32 &&
                  frequencies.rank() == rank && (!two || frequencies[0].size == 2) &&
                  frequencies[rank - 1].size > 0 &&
                  frequencies[rank - 1].size <= fields.head_size / 2,
              Operand::kFrequencies,
              cat("a constant F32[", two ? "2, " : "", "r / 2], r <= ", fields.head_size));
  return x;
}

// Columns of a constant I32[r]: rising, below k.
int64_t outlier_count(const Rule& rule, Operand operand, int64_t k) {
  const Value& value = rule.value(operand);
  rule.expect(value.constant != nullptr && value.dtype == DType::kI32 && value.shape.rank() == 1 &&
                  value.shape[0].size <= kMaxOutliers,
              operand, cat("a constant I32[r], r <= ", kMaxOutliers));
  int32_t last = -1;
  for (const int32_t column : value.constant->as<int32_t>()) {
    if (column <= last || column >= k) {
      rule.refuse("outlier column ", column, " after ", last, "; rising and below ", k);
    }
    last = column;
  }
  return value.shape[0].size;
}

void expect_multiplier_and_offset(const Rule& rule, int64_t k) {
  if (rule.has(Operand::kInputMultiplier) != rule.has(Operand::kInputOffset)) {
    rule.refuse("input multiplier and offset come together");
  }
  for (const Operand operand : {Operand::kInputMultiplier, Operand::kInputOffset}) {
    if (rule.has(operand)) rule.expect_vector(operand, k);
  }
}

void check_integers(const Rule& rule, int64_t n, int64_t k) {
  rule.expect_vector(Operand::kWeightScale, n);
  expect_multiplier_and_offset(rule, k);
  if (rule.has(Operand::kOutlierColumns) != rule.has(Operand::kOutlierWeight)) {
    rule.refuse("outlier columns and their weight come together");
  }
  if (!rule.has(Operand::kOutlierColumns)) return;
  if (!rule.has(Operand::kInputMultiplier)) {
    rule.refuse("outlier columns need an input multiplier, 0 in each of them");
  }
  const int64_t count = outlier_count(rule, Operand::kOutlierColumns, k);
  rule.expect_same(Operand::kOutlierWeight, {Dim::of(n), Dim::of(count)});
  rule.expect(rule.is_constant(Operand::kOutlierWeight), Operand::kOutlierWeight, "a constant");
}

SymbolicShape infer_matmul(const Rule& rule, const Node& node) {
  const bool integers = node.op == OpKind::kQuantizedMatMul;
  const SymbolicShape& x = rule.rows(Operand::kX);
  const int64_t k = rule.table(Operand::kWeight);
  const DType dtype = rule.value(Operand::kWeight).dtype;
  rule.expect(integers ? dtype == DType::kI8 : is_stored_float(dtype), Operand::kWeight,
              integers ? "I8" : "F32, F16 or BF16; integers belong to QuantizedMatMul");
  rule.expect(x[1].size == k, Operand::kX,
              cat("rows of ", k, " for a weight ", rule.shape(Operand::kWeight).to_string()));
  const int64_t n = rule.shape(Operand::kWeight)[0].size;
  const SymbolicShape out = {x[0], Dim::of(n)};
  if (rule.has(Operand::kBias)) rule.expect_vector(Operand::kBias, n);
  if (rule.has(Operand::kResidual)) rule.expect_same(Operand::kResidual, out);
  if (integers) check_integers(rule, n, k);
  return out;
}

SymbolicShape infer_fake_quantize(const Rule& rule, const Node& node) {
  const auto& fields = node.attribute<FakeQuantizeAttributes>();
  const SymbolicShape& x = rule.shape(Operand::kX);
  const bool pairs = x.rank() == 2 && x[1].symbol == Symbol::kPairs;
  if (pairs) return x;
  const int64_t width = rule.rows(Operand::kX)[1].size;
  const int64_t columns = fields.columns == 0 ? width - fields.first_column : fields.columns;
  if (fields.first_column < 0 || columns < 0 || fields.first_column > width - columns) {
    rule.refuse("columns ", fields.first_column, " to ", fields.first_column + columns, " of ",
                width);
  }
  check_heads(rule, columns, fields.groups);
  expect_multiplier_and_offset(rule, width);
  if (rule.has(Operand::kOutlierColumns)) {
    (void)outlier_count(rule, Operand::kOutlierColumns, width);
  }
  return x;
}

void expect_gamma_and_beta(const Rule& rule, int64_t n) {
  rule.expect_vector(Operand::kGamma, n);
  if (rule.has(Operand::kBeta)) rule.expect_vector(Operand::kBeta, n);
}

SymbolicShape infer_layer_norm(const Rule& rule) {
  const SymbolicShape& x = rule.rows(Operand::kX);
  if (rule.has(Operand::kSkip)) rule.expect_same(Operand::kSkip, x);
  expect_gamma_and_beta(rule, x[1].size);
  return x;
}

SymbolicShape infer_rms_norm(const Rule& rule, const Node& node) {
  const SymbolicShape& x = rule.rows(Operand::kX);
  const int64_t heads = node.attribute<RmsNormAttributes>().heads;
  check_heads(rule, x[1].size, heads);
  rule.expect_vector(Operand::kGamma, x[1].size / heads);
  return x;
}

SymbolicShape infer_embed_layer_norm(const Rule& rule) {
  const int64_t n = rule.token_table();
  rule.expect_ids(Operand::kIds);
  expect_gamma_and_beta(rule, n);
  constexpr std::pair<Operand, Operand> kMore[] = {{Operand::kPosition, Operand::kPositionIds},
                                                   {Operand::kType, Operand::kTypeIds}};
  for (const auto& [table, ids] : kMore) {
    if (!rule.has(table) && !rule.has(ids)) continue;
    rule.expect(rule.float_table(table) == n, table, cat("a constant [rows, ", n, "]"));
    rule.expect_ids(ids);
  }
  return token_matrix(n);
}

// Distances that tables are made for; sequences are no longer (BatchLimits::max_seqlen).
constexpr int64_t kMostDistance = int64_t{1} << 20;

// Numbers of heads and windows that mean something.
void check_attention(const Rule& rule, const AttentionAttributes& fields) {
  if (fields.heads <= 0) rule.refuse(fields.heads, " heads");
  if (fields.kv_heads < 0 || fields.heads % fields.key_heads() != 0) {
    rule.refuse(fields.kv_heads, " kv_heads do not divide ", fields.heads, " heads");
  }
  if (fields.left < -1 || fields.right < -1) {
    rule.refuse("a window of ", fields.left, " before and ", fields.right, " behind");
  }
}

void check_bias(const Rule& rule, const AttentionAttributes& fields) {
  if (rule.has(Operand::kBias) != (fields.bias != BiasRule::kNone)) {
    rule.refuse("bias and its rule come together");
  }
  if (fields.bias == BiasRule::kNone) return;
  if (fields.max_distance < 1 || fields.max_distance > kMostDistance) {
    rule.refuse("a bias needs a max_distance of 1 to ", kMostDistance, ", not ",
                fields.max_distance);
  }
  if (fields.bias == BiasRule::kAlibi) return rule.expect_vector(Operand::kBias, fields.heads);
  const int64_t columns = rule.table(Operand::kBias);
  const int64_t buckets = rule.shape(Operand::kBias)[0].size;
  // A quarter of them are distances of their own; the log buckets follow up to max_distance.
  rule.expect(rule.value(Operand::kBias).dtype == DType::kF32 && columns == fields.heads &&
                  buckets >= 4 && buckets % 4 == 0 && buckets / 4 < fields.max_distance,
              Operand::kBias, cat("a constant F32[4i, ", fields.heads, "], i < max_distance"));
}

void check_position_tables(const Rule& rule, const AttentionAttributes& fields, int64_t width) {
  const bool any = rule.has(Operand::kPositionKeys) || rule.has(Operand::kPositionQueries);
  if (any != (fields.max_relative_positions != 0)) {
    rule.refuse("position tables and max_relative_positions come together");
  }
  if (!any) return;
  const int64_t most = fields.max_relative_positions;
  const int64_t buckets = fields.position_buckets;
  // Half of the buckets are distances of their own; the log buckets follow up to the last.
  const bool fits = buckets == 0 || (buckets >= 4 && buckets % 2 == 0 && buckets / 2 < most - 1);
  if (most < 1 || most > kMostDistance || !fits) {
    rule.refuse("position_buckets ", buckets, " of max_relative_positions ", most,
                "; expected 2i, i >= 2 and i < max_relative_positions - 1 <= ", kMostDistance - 1);
  }
  const int64_t half = buckets > 0 ? buckets : most;
  for (const Operand operand : {Operand::kPositionKeys, Operand::kPositionQueries}) {
    if (rule.has(operand)) rule.expect_same(operand, {Dim::of(2 * half), Dim::of(width)});
  }
}

void check_global(const Rule& rule, const AttentionAttributes& fields) {
  if (rule.has(Operand::kIds) != (fields.global != GlobalRule::kNone)) {
    rule.refuse("ids and tokens that all see come together");
  }
  if (fields.global == GlobalRule::kNone) return;
  rule.expect_ids(Operand::kIds);
  const bool window = fields.left >= 0 && fields.right >= 0;
  if (!window || fields.bias != BiasRule::kNone || fields.max_relative_positions != 0) {
    rule.refuse(
        "tokens that all see need a window before and behind, and neither bias nor "
        "position tables");
  }
}

void check_blocks(const Rule& rule, const AttentionAttributes& fields) {
  constexpr int64_t kMost = 1 << 20;  // of either: their product stays far from int64's end
  const bool fits = fields.block_size >= 0 && fields.block_size <= kMost &&
                    fields.random_blocks >= 0 && fields.random_blocks <= kMost;
  if (!fits || (fields.block_size == 0 && fields.random_blocks != 0)) {
    rule.refuse("blocks of ", fields.block_size, " tokens, ", fields.random_blocks,
                " of them random; expected both from 0 to ", kMost);
  }
  if (fields.block_size == 0) return;
  const bool plain = fields.left < 0 && fields.right < 0 && fields.bias == BiasRule::kNone &&
                     fields.max_relative_positions == 0;
  if (!plain) rule.refuse("blocks have neither a window nor bias nor position tables");
}

SymbolicShape infer_attention_scores(const Rule& rule, const Node& node) {
  const auto& fields = node.attribute<AttentionAttributes>();
  check_attention(rule, fields);
  const int64_t width = rule.token_rows(Operand::kQ)[1].size;
  check_heads(rule, width, fields.heads);
  rule.expect_same(Operand::kK, token_matrix(width / fields.heads * fields.key_heads()));
  check_bias(rule, fields);
  check_position_tables(rule, fields, width);
  check_global(rule, fields);
  check_blocks(rule, fields);
  return {Dim::of(fields.heads), Dim::of(Symbol::kPairs)};
}

SymbolicShape infer_attention_context(const Rule& rule, const Node& node) {
  const auto& fields = node.attribute<AttentionAttributes>();
  check_attention(rule, fields);
  rule.expect_same(Operand::kProbabilities, {Dim::of(fields.heads), Dim::of(Symbol::kPairs)});
  const int64_t width = rule.token_rows(Operand::kV)[1].size;
  check_heads(rule, width, fields.key_heads());
  return token_matrix(width / fields.key_heads() * fields.heads);
}

SymbolicShape infer_softmax(const Rule& rule) {
  const SymbolicShape& scores = rule.shape(Operand::kScores);
  rule.expect(scores.rank() == 2 && scores[1].symbol == Symbol::kPairs, Operand::kScores,
              "F32[heads, A]");
  return scores;
}

// The shape of q alone, however q, k and v come.
SymbolicShape query_shape(const Rule& rule, const AttentionAttributes& fields) {
  const int64_t key_heads = fields.key_heads();
  if (!rule.has(Operand::kK)) {
    const int64_t width = rule.token_rows(Operand::kQ)[1].size;
    rule.expect(width % (fields.heads + 2 * key_heads) == 0, Operand::kQ,
                "F32[T, (heads + 2 * kv_heads) * head_size]");
    return token_matrix(width / (fields.heads + 2 * key_heads) * fields.heads);
  }
  const SymbolicShape& q = rule.rows(Operand::kQ);
  rule.expect(counts_tokens(q[0].symbol), Operand::kQ, "F32 rows [T|S|F, n]");
  check_heads(rule, q[1].size, fields.heads);
  const int64_t keys = q[1].size / fields.heads * key_heads;
  rule.expect_same(Operand::kK, token_matrix(rule.has(Operand::kV) ? keys : 2 * keys));
  if (rule.has(Operand::kV)) rule.expect_same(Operand::kV, token_matrix(keys));
  return q;
}

SymbolicShape infer_attention(const Rule& rule, const Node& node) {
  const auto& fields = node.attribute<AttentionAttributes>();
  check_attention(rule, fields);
  if (rule.has(Operand::kV) && !rule.has(Operand::kK)) rule.refuse("v without k");
  const SymbolicShape q = query_shape(rule, fields);
  check_bias(rule, fields);
  check_position_tables(rule, fields, q[1].size);
  check_global(rule, fields);
  check_blocks(rule, fields);
  return q;
}

SymbolicShape infer_merge_global(const Rule& rule, const Node& node) {
  if (node.attribute<MergeGlobalAttributes>().rule == GlobalRule::kNone) {
    rule.refuse("no tokens that all see");
  }
  const SymbolicShape& x = rule.token_rows(Operand::kX);
  rule.expect_same(Operand::kY, x);
  rule.expect_ids(Operand::kIds);
  return x;
}

SymbolicShape infer_unfold(const Rule& rule, const Node& node) {
  constexpr int64_t kMost = 255;
  const int64_t width = node.attribute<UnfoldAttributes>().width;
  if (width < 1 || width > kMost || width % 2 == 0) rule.refuse("a width of ", width);
  return token_matrix(width * rule.token_rows(Operand::kX)[1].size);
}

SymbolicShape infer_token_dropout(const Rule& rule, const Node& node) {
  const auto& fields = node.attribute<TokenDropoutAttributes>();
  rule.expect_ids(Operand::kIds);
  constexpr int64_t kMostToken = (int64_t{1} << 31) - 1;
  if (fields.mask_token < 0 || fields.mask_token > kMostToken) {
    rule.refuse("a mask_token of ", fields.mask_token);
  }
  return rule.token_rows(Operand::kX);
}

void check_pool_ids(const Rule& rule, const PoolAttributes& fields) {
  const int counted = (fields.padding_idx >= 0 ? 1 : 0) + (fields.token >= 0 ? 1 : 0);
  if (counted != (rule.has(Operand::kIds) ? 1 : 0)) {
    rule.refuse("ids and one of padding_idx and token come together");
  }
  if (!rule.has(Operand::kIds)) return;
  rule.expect_ids(Operand::kIds);
  if (fields.modes != std::vector{Pooling::kLastToken}) rule.refuse("ids with another mode");
}

SymbolicShape infer_ids(const Rule& rule, const Node& node) {
  rule.expect_ids(Operand::kIds);
  if (node.op == OpKind::kPositionIds) return rule.shape(Operand::kIds);
  const auto& fields = node.attribute<ShiftIdsAttributes>();
  // No other ids are held against the table that the result indexes.
  rule.expect(rule.value(Operand::kIds).name == kInputIds, Operand::kIds, kInputIds);
  if (fields.first < 0 && fields.padding_idx < 0) rule.refuse("neither first nor padding_idx");
  return rule.shape(Operand::kIds);
}

SymbolicShape infer_select(const Rule& rule, const Node& node) {
  const bool first = node.op == OpKind::kSelectFirstTokens;
  return {Dim::of(first ? Symbol::kFirst : Symbol::kSelected), rule.token_rows(Operand::kX)[1]};
}

SymbolicShape infer_pool(const Rule& rule, const Node& node) {
  const std::vector<Pooling>& modes = node.attribute<PoolAttributes>().modes;
  if (modes.empty()) rule.refuse("no pooling mode");
  check_pool_ids(rule, node.attribute<PoolAttributes>());
  // Where only the first tokens are there, they are all that can be pooled.
  const bool first =
      modes == std::vector{Pooling::kCls} && rule.rows(Operand::kX)[0].symbol == Symbol::kFirst;
  const int64_t n = first ? rule.rows(Operand::kX)[1].size : rule.token_rows(Operand::kX)[1].size;
  return {Dim::of(Symbol::kSequences), Dim::of(n * static_cast<int64_t>(modes.size()))};
}

SymbolicShape infer_shape(const Rule& rule, const Node& node) {
  switch (node.op) {
    case OpKind::kPositionIds:
    case OpKind::kShiftIds:
      return infer_ids(rule, node);
    case OpKind::kGather:
      return infer_gather(rule);
    case OpKind::kSelectTokens:
    case OpKind::kSelectFirstTokens:
      return infer_select(rule, node);
    case OpKind::kAdd:
    case OpKind::kMul:
      return infer_elementwise(rule, node.op == OpKind::kMul);
    case OpKind::kActivation:
    case OpKind::kTokenNormalize:
      return rule.rows(Operand::kX);
    case OpKind::kGlu:
      return infer_glu(rule);
    case OpKind::kUnfold:
      return infer_unfold(rule, node);
    case OpKind::kTokenDropout:
      return infer_token_dropout(rule, node);
    case OpKind::kRotary:
      return infer_rotary(rule, node);
    case OpKind::kMatMul:
    case OpKind::kQuantizedMatMul:
      return infer_matmul(rule, node);
    case OpKind::kRouteTokens:
    case OpKind::kExpertMatMul:
    case OpKind::kCombineExperts:
      return infer_experts(rule, node);
    case OpKind::kLstm:
    case OpKind::kScoreSpans:
      return infer_words(rule, node);
    case OpKind::kLayerNormalization:
    case OpKind::kSkipLayerNormalization:
      return infer_layer_norm(rule);
    case OpKind::kRMSNormalization:
      return infer_rms_norm(rule, node);
    case OpKind::kAttentionScores:
      return infer_attention_scores(rule, node);
    case OpKind::kSoftmax:
      return infer_softmax(rule);
    case OpKind::kMergeGlobal:
      return infer_merge_global(rule, node);
    case OpKind::kAttentionContext:
      return infer_attention_context(rule, node);
    case OpKind::kSequencePool:
      return infer_pool(rule, node);
    case OpKind::kVocabularyPool:
      return {Dim::of(Symbol::kSequences), rule.token_rows(Operand::kX)[1]};
    case OpKind::kEmbedLayerNormalization:
      return infer_embed_layer_norm(rule);
    case OpKind::kAttention:
      return infer_attention(rule, node);
    case OpKind::kFakeQuantize:
      return infer_fake_quantize(rule, node);
  }
  rule.refuse("unknown op");
}

}  // namespace

ValueType infer_output(const Graph& graph, const Node& node) {
  const Rule rule(graph, node);
  const OpInfo& info = op_info(node.op);
  if (node.inputs.size() > info.count) {
    rule.refuse(node.inputs.size(), " inputs, takes at most ", info.count);
  }
  for (const OperandSlot& slot : info.operands()) {
    if (!slot.optional) (void)rule.value(slot.operand);
  }
  if (node.attributes.index() != default_attributes(node.op).index()) {
    rule.refuse("attributes of another op");
  }
  const bool ids = node.op == OpKind::kPositionIds || node.op == OpKind::kShiftIds;
  return {ids ? DType::kI32 : DType::kF32, infer_shape(rule, node)};
}

}  // namespace tamis::graph
