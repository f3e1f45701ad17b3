// The shape rule of every op.
#include "graph/graph.h"

namespace tamis::graph {

namespace {

/// One node under inspection: its inputs' types, and complaints that name it.
class Rule {
 public:
  Rule(const Graph& graph, const Node& node) : graph_(graph), node_(node) {}

  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorCode::kInvalidArgument, op_name(node_.op), " at \"", node_.scope, "\": ", parts...);
  }

  [[nodiscard]] const Value& input(size_t i) const {
    const ValueId id = node_.input(i);
    if (id == kNoValue) refuse("input ", i, " is missing");
    return graph_.value(id);
  }
  [[nodiscard]] bool has(size_t i) const { return node_.input(i) != kNoValue; }
  [[nodiscard]] const SymbolicShape& shape(size_t i) const { return input(i).shape; }

  void expect(bool condition, size_t i, std::string_view wanted) const {
    if (condition) return;
    refuse("input ", i, " \"", input(i).name, "\" is ", dtype_name(input(i).dtype),
           shape(i).to_string(), ", expected ", wanted);
  }

  /// A float matrix whose rows are counted by a symbol.
  const SymbolicShape& rows(size_t i) const {
    const SymbolicShape& s = shape(i);
    expect(input(i).dtype == DType::kF32 && s.rank() == 2 && !s[0].is_const() && s[1].is_const(), i,
           "F32 rows [T|B|S|F, n]");
    return s;
  }
  /// Rows counted by tokens.
  const SymbolicShape& token_rows(size_t i) const {
    const SymbolicShape& s = rows(i);
    expect(s[0].symbol == Symbol::kTokens, i, "F32 rows [T, n]");
    return s;
  }
  void expect_ids(size_t i) const {
    expect(input(i).dtype == DType::kI32 && shape(i) == SymbolicShape{Dim::of(Symbol::kTokens)}, i,
           "I32[T]");
  }
  void expect_vector(size_t i, int64_t n) const {
    expect(graph_.is_constant(node_.input(i)) && input(i).dtype == DType::kF32 &&
               shape(i).rank() == 1 && shape(i)[0].size == n,
           i, cat("a constant F32[", n, "]"));
  }
  void expect_same(size_t i, const SymbolicShape& wanted) const {
    expect(input(i).dtype == DType::kF32 && shape(i) == wanted, i, cat("F32", wanted.to_string()));
  }
  /// A constant [rows, n]; the number of columns.
  int64_t table(size_t i) const {
    expect(graph_.is_constant(node_.input(i)) && shape(i).rank() == 2, i, "a constant [rows, n]");
    return shape(i)[1].size;
  }

 private:
  const Graph& graph_;
  const Node& node_;
};

SymbolicShape token_matrix(int64_t n) { return {Dim::of(Symbol::kTokens), Dim::of(n)}; }

SymbolicShape infer_gather(const Rule& rule) {
  const int64_t n = rule.table(0);
  rule.expect_ids(1);
  return token_matrix(n);
}

SymbolicShape infer_select_tokens(const Rule& rule) {
  return {Dim::of(Symbol::kSelected), rule.token_rows(0)[1]};
}

SymbolicShape infer_select_first_tokens(const Rule& rule) {
  return {Dim::of(Symbol::kFirst), rule.token_rows(0)[1]};
}

SymbolicShape infer_elementwise(const Rule& rule, bool scalar_allowed) {
  const SymbolicShape& left = rule.shape(0);
  const SymbolicShape& right = rule.shape(1);
  const bool same = right == left;
  const bool row = right.rank() == 1 && left.rank() == 2 && right[0] == left[1];
  const bool scalar = scalar_allowed && right.rank() == 0;
  rule.expect(same || row || scalar, 1, cat("something that fits ", left.to_string()));
  return left;
}

void check_heads(const Rule& rule, int64_t width, int64_t heads) {
  if (heads <= 0 || width % heads != 0) {
    rule.refuse(heads, " heads do not divide ", width, " columns");
  }
}

// Columns of constant i, I32[r]: rising, below k, at most 8 of them.
int64_t outlier_count(const Rule& rule, size_t i, int64_t k) {
  constexpr int64_t kMost = 8;
  const Value& value = rule.input(i);
  rule.expect(value.constant != nullptr && value.dtype == DType::kI32 && value.shape.rank() == 1 &&
                  value.shape[0].size <= kMost,
              i, cat("a constant I32[r], r <= ", kMost));
  int32_t last = -1;
  for (const int32_t column : value.constant->as<int32_t>()) {
    if (column <= last || column >= k) {
      rule.refuse("outlier column ", column, " after ", last, "; rising and below ", k);
    }
    last = column;
  }
  return value.shape[0].size;
}

// Inputs 4 to 8 of a MatMul [n, k].
void check_quantized_matmul(const Rule& rule, int64_t n, int64_t k) {
  const bool integers = rule.has(4);
  rule.expect(rule.input(1).dtype == (integers ? DType::kI8 : DType::kF32), 1,
              integers ? "I8 beside a weight_scale" : "F32, or I8 with a weight_scale");
  if (!integers) {
    for (const size_t i : {5, 6, 7, 8}) {
      if (rule.has(i)) rule.refuse("input ", i, " needs a weight_scale");
    }
    return;
  }
  rule.expect_vector(4, n);
  if (rule.has(5) != rule.has(6)) rule.refuse("input multiplier and offset come together");
  for (const size_t i : {5, 6}) {
    if (rule.has(i)) rule.expect_vector(i, k);
  }
  if (rule.has(7) != rule.has(8)) rule.refuse("outlier columns and their weight come together");
  if (!rule.has(7)) return;
  if (!rule.has(5)) rule.refuse("outlier columns need an input multiplier, 0 in each of them");
  const int64_t count = outlier_count(rule, 7, k);
  rule.expect_same(8, {Dim::of(n), Dim::of(count)});
  rule.expect(rule.input(8).constant != nullptr, 8, "a constant");
}

SymbolicShape infer_matmul(const Rule& rule, const Node& node) {
  const SymbolicShape& x = rule.rows(0);
  const int64_t k = rule.table(1);
  rule.expect(x[1].size == k, 0, cat("rows of ", k, " for a weight ", rule.shape(1).to_string()));
  const int64_t n = rule.shape(1)[0].size;
  const SymbolicShape out = {x[0], Dim::of(n)};
  if (node.input(2) != kNoValue) rule.expect_vector(2, n);
  if (node.input(3) != kNoValue) rule.expect_same(3, out);
  check_quantized_matmul(rule, n, k);
  return out;
}

SymbolicShape infer_fake_quantize(const Rule& rule, const Node& node) {
  const auto& fields = node.attribute<FakeQuantizeAttributes>();
  const SymbolicShape& x = rule.shape(0);
  const bool pairs = x.rank() == 2 && x[1].symbol == Symbol::kPairs;
  if (pairs) return x;
  const int64_t width = rule.rows(0)[1].size;
  const int64_t columns = fields.columns == 0 ? width - fields.first_column : fields.columns;
  if (fields.first_column < 0 || columns < 0 || fields.first_column > width - columns) {
    rule.refuse("columns ", fields.first_column, " to ", fields.first_column + columns, " of ",
                width);
  }
  check_heads(rule, columns, fields.groups);
  for (const size_t i : {1, 2}) {
    if (rule.has(i)) rule.expect_vector(i, width);
  }
  if (rule.has(1) != rule.has(2)) rule.refuse("input multiplier and offset come together");
  if (rule.has(3)) (void)outlier_count(rule, 3, width);
  return x;
}

SymbolicShape infer_layer_norm(const Rule& rule) {
  const SymbolicShape& x = rule.rows(0);
  rule.expect_vector(1, x[1].size);
  rule.expect_vector(2, x[1].size);
  return x;
}

SymbolicShape infer_skip_layer_norm(const Rule& rule) {
  const SymbolicShape& x = rule.rows(0);
  rule.expect_same(1, x);
  rule.expect_vector(2, x[1].size);
  rule.expect_vector(3, x[1].size);
  return x;
}

SymbolicShape infer_embed_layer_norm(const Rule& rule) {
  const int64_t n = rule.table(0);
  rule.expect_ids(1);
  rule.expect_vector(2, n);
  rule.expect_vector(3, n);
  for (const size_t i : {4, 6}) {
    if (!rule.has(i)) continue;
    rule.expect(rule.table(i) == n, i, cat("a constant [rows, ", n, "]"));
    rule.expect_ids(i + 1);
  }
  return token_matrix(n);
}

SymbolicShape infer_attention_scores(const Rule& rule, const Node& node) {
  const int64_t heads = node.attribute<AttentionAttributes>().heads;
  const SymbolicShape& q = rule.token_rows(0);
  rule.expect_same(1, q);
  check_heads(rule, q[1].size, heads);
  return {Dim::of(heads), Dim::of(Symbol::kPairs)};
}

SymbolicShape infer_attention_context(const Rule& rule, const Node& node) {
  const int64_t heads = node.attribute<AttentionAttributes>().heads;
  rule.expect_same(0, {Dim::of(heads), Dim::of(Symbol::kPairs)});
  const SymbolicShape& v = rule.token_rows(1);
  check_heads(rule, v[1].size, heads);
  return v;
}

SymbolicShape infer_softmax(const Rule& rule) {
  rule.expect(rule.shape(0).rank() == 2 && rule.shape(0)[1].symbol == Symbol::kPairs, 0,
              "F32[heads, A]");
  return rule.shape(0);
}

SymbolicShape infer_attention(const Rule& rule, const Node& node) {
  const int64_t heads = node.attribute<AttentionAttributes>().heads;
  if (node.inputs.size() == 1) {
    const int64_t width = rule.token_rows(0)[1].size;
    rule.expect(width % 3 == 0, 0, "F32[T, 3 * heads * head_size]");
    check_heads(rule, width / 3, heads);
    return token_matrix(width / 3);
  }
  const SymbolicShape& q = rule.rows(0);
  rule.expect(counts_tokens(q[0].symbol), 0, "F32 rows [T|S|F, n]");
  if (node.inputs.size() == 2) {
    rule.expect_same(1, token_matrix(2 * q[1].size));
  } else {
    rule.expect_same(1, token_matrix(q[1].size));
    rule.expect_same(2, token_matrix(q[1].size));
  }
  check_heads(rule, q[1].size, heads);
  return q;
}

SymbolicShape infer_pool(const Rule& rule, const Node& node) {
  const std::vector<PoolMode>& modes = node.attribute<PoolAttributes>().modes;
  if (modes.empty()) rule.refuse("no pooling mode");
  // Where only the first tokens are there, they are all that can be pooled.
  const bool first =
      modes == std::vector{PoolMode::kCls} && rule.rows(0)[0].symbol == Symbol::kFirst;
  const int64_t n = first ? rule.rows(0)[1].size : rule.token_rows(0)[1].size;
  return {Dim::of(Symbol::kSequences), Dim::of(n * static_cast<int64_t>(modes.size()))};
}

SymbolicShape infer_shape(const Rule& rule, const Node& node) {
  switch (node.op) {
    case OpKind::kPositionIds:
      rule.expect_ids(0);
      return rule.shape(0);
    case OpKind::kGather:
      return infer_gather(rule);
    case OpKind::kSelectTokens:
      return infer_select_tokens(rule);
    case OpKind::kSelectFirstTokens:
      return infer_select_first_tokens(rule);
    case OpKind::kAdd:
      return infer_elementwise(rule, false);
    case OpKind::kMul:
      return infer_elementwise(rule, true);
    case OpKind::kActivation:
      return rule.rows(0);
    case OpKind::kMatMul:
      return infer_matmul(rule, node);
    case OpKind::kLayerNormalization:
      return infer_layer_norm(rule);
    case OpKind::kAttentionScores:
      return infer_attention_scores(rule, node);
    case OpKind::kSoftmax:
      return infer_softmax(rule);
    case OpKind::kAttentionContext:
      return infer_attention_context(rule, node);
    case OpKind::kSequencePool:
      return infer_pool(rule, node);
    case OpKind::kEmbedLayerNormalization:
      return infer_embed_layer_norm(rule);
    case OpKind::kSkipLayerNormalization:
      return infer_skip_layer_norm(rule);
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
  const auto count = static_cast<int>(node.inputs.size());
  if (count < info.least_inputs || count > info.most_inputs) {
    rule.refuse(count, " inputs, takes ", info.least_inputs, " to ", info.most_inputs);
  }
  if (node.attributes.index() != default_attributes(node.op).index()) {
    rule.refuse("attributes of another op");
  }
  const DType dtype = node.op == OpKind::kPositionIds ? DType::kI32 : DType::kF32;
  return {dtype, infer_shape(rule, node)};
}

}  // namespace tamis::graph
