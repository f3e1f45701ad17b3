// Attention: its two products and softmax, or an operator that is all of it.
#include <algorithm>
#include <cmath>

#include "onnx/importer.h"
#include "onnx/rules/block_rule.h"
#include "onnx/rules/global_rule.h"

namespace tamis::onnx {

using graph::Operand;
using graph::OpKind;
using graph::ValueId;

namespace {

// Sequences, heads and copies, as the axes before the last two hold them.
AtomGroup lead_of(const Layout& layout) {
  AtomGroup lead;
  for (size_t i = 0; i + 2 < layout.rank(); ++i) {
    lead.insert(lead.end(), layout[i].begin(), layout[i].end());
  }
  return lead;
}

// Whether queries of the one read keys or values of the other.
bool are_of_same_heads(const Heads& queries, const Heads& keys) {
  return queries.repeats == 1 && queries.count == keys.count * keys.repeats &&
         queries.size == keys.size;
}

// What a linear layer reads that makes the value, kNoValue if none does.
ValueId linear_input(const graph::Graph& graph, ValueId value) {
  for (int steps = 0; steps < 3; ++steps) {
    const int at = graph.producer(value);
    if (at < 0) return graph::kNoValue;
    const graph::Node& node = graph.nodes()[static_cast<size_t>(at)];
    if (node.op == OpKind::kMatMul) return node.operand(Operand::kX);
    if (!node.has(Operand::kX)) return graph::kNoValue;
    value = node.operand(Operand::kX);
  }
  return graph::kNoValue;
}

// Whether queries turn by rotary positions, as in the families whose heads are as wide as they
// like.
bool is_rotary(const graph::Graph& graph, ValueId value) {
  const int at = graph.producer(value);
  return at >= 0 && graph.nodes()[static_cast<size_t>(at)].op == OpKind::kRotary;
}

// T5's heads, too, may be of any size, in its decoder also where keys are the encoder's.
void check_head_size(const Importer& importer, const Step& step, const Hidden& scores) {
  const graph::Graph& graph = importer.graph();
  const ValueId queries = linear_input(graph, scores.value);
  if (queries == graph::kNoValue || queries != linear_input(graph, scores.keys)) return;
  const int64_t hidden = graph.value(queries).shape[1].size;
  const int64_t together = scores.heads * scores.head_size;
  if (hidden == together || scores.bias != graph::kNoValue || is_rotary(graph, scores.value))
    return;
  step.op.refuse(scores.heads, " heads of ", scores.head_size, " on hidden states of ", hidden,
                 "; their product is expected");
}

// Half precision rounds the factor; 1/sqrt(d) is what was meant.
float scale_value(double factor, int64_t head_size, double tolerance) {
  const double usual = 1.0 / std::sqrt(static_cast<double>(head_size));
  return static_cast<float>(std::abs(factor / usual - 1) <= tolerance * 0.1 ? usual : factor);
}

ValueId scale_constant(Importer& importer, double factor, int64_t head_size) {
  const float value = scale_value(factor, head_size, importer.tolerance());
  return importer.constant("attention_scale", Shape{}, {&value, 1});
}

std::vector<Array> boolean_as_added(const Known& mask) {
  std::vector<Array> added;
  for (const Array& array : mask.all()) {
    std::vector<double> values(array.data->size());
    std::transform(array.data->begin(), array.data->end(), values.begin(),
                   [](double seen) { return seen != 0 ? 0.0 : -INFINITY; });
    added.push_back(make_array(array.dims, ElementType::kFloat, std::move(values)));
  }
  return added;
}

// ONNX Runtime's mask: the number of tokens of each sequence, or 1 and 0 for each token.
void check_packed_mask(const Importer& importer, const Step& step, const Known& mask) {
  const auto& probes = importer.probes();
  bool lengths = true;
  for (size_t p = 0; p < kProbes; ++p) {
    const Array& array = mask.at(p);
    lengths = lengths && array.dims == Dims{probes[p].sizes.sequences};
    for (int64_t b = 0; lengths && b < probes[p].sizes.sequences; ++b) {
      int64_t tokens = 0;
      for (int64_t i = 0; i < probes[p].sizes.tokens; ++i) tokens += probes[p].is_token(b, i);
      lengths = array[b] == static_cast<double>(tokens);
    }
  }
  if (lengths || (mask.dims().size() == 2 && follows_mask(mask.all(), probes, 1, 0))) return;
  step.op.refuse("a mask that is neither attention_mask nor the count of its tokens");
}

// Columns [first, first + n) of a constant matrix or vector, which is not empty.
Known part_of(const Known& known, int64_t first, int64_t n, std::string name) {
  const Array& whole = known.at(0);
  const int64_t width = whole.dims.back();
  std::vector<double> values;
  for (int64_t i = 0; i < whole.elements(); ++i) {
    if (i % width >= first && i % width < first + n) values.push_back(whole[i]);
  }
  Dims dims = whole.dims;
  dims.back() = n;
  return {std::move(name), make_array(std::move(dims), whole.type, std::move(values))};
}

// Whether scores are more than queries times keys times a factor.
bool has_terms(const Hidden& scores) {
  return scores.bias != graph::kNoValue || scores.max_relative_positions != 0 ||
         !(scores.mask.value_or(MaskRule{}) == MaskRule{});
}

// Of scores with a window or a bias; the factor comes before the bias.
graph::AttentionAttributes attributes_of(const Importer& importer, const Hidden& scores) {
  graph::AttentionAttributes attributes;
  attributes.heads = scores.heads;
  if (scores.key_heads != scores.heads) attributes.kv_heads = scores.key_heads;
  if (!has_terms(scores)) return attributes;
  attributes.position_buckets = scores.position_buckets;
  attributes.max_relative_positions = scores.max_relative_positions;
  const MaskRule mask = scores.mask.value_or(MaskRule{});
  attributes.left = mask.left;
  attributes.right = mask.right;
  attributes.global = mask.global.rule;
  attributes.separator = mask.global.separator;
  attributes.block_size = mask.block_size;
  attributes.random_blocks = mask.random_blocks;
  attributes.scale = scale_value(scores.factor, scores.head_size, importer.tolerance());
  if (scores.bias != graph::kNoValue) {
    attributes.bias = scores.bias_rule;
    attributes.max_distance = scores.max_distance;
  }
  return attributes;
}

// A table of places as a constant, in the scores' own factor.
ValueId position_table(Importer& importer, const Step& step, const Hidden& scores, size_t which) {
  constexpr std::string_view kNames[] = {"position_keys", "position_queries"};
  const PositionTerm& term = scores.terms[which];
  if (term.rows == graph::kNoValue) return graph::kNoValue;
  const double ratio = term.factor / scores.factor;
  std::vector<float> values = *term.table;
  // What the two factors differ by in rounding is no factor.
  if (std::abs(ratio - 1) > 1e-6) {
    for (float& value : values) value = static_cast<float>(value * ratio);
  }
  const int64_t columns = scores.heads * scores.head_size;
  const Shape shape{static_cast<int64_t>(values.size()) / columns, columns};
  const std::string module = importer.scope_of(step);
  const std::string name = cat(module, module.empty() ? "" : ".", kNames[which]);
  return importer.graph().add_constant(
      name, std::make_shared<const Tensor>(Tensor::from(shape, std::span<const float>(values))));
}

struct PackedAttention {
  Hidden* x = nullptr;
  std::shared_ptr<const Known> weight;  ///< [hidden, 3 * hidden]
  const Known* bias = nullptr;
  const Known* mask = nullptr;
};

// What BERT's modules are called; the file has one name for all three.
constexpr std::string_view kParts[] = {"query", "key", "value"};

// Columns of queries, of keys and of values, side by side in a constant weight and bias.
int64_t projected_columns(const Step& step, const PackedAttention& parts) {
  const int64_t heads = step.op.integer("num_heads", 0);
  const bool constant = parts.weight->is_constant() && parts.weight->dims().size() == 2;
  const int64_t columns = constant ? parts.weight->dims()[1] : 0;
  const bool biased = parts.bias == nullptr ||
                      (parts.bias->dims().size() == 1 && parts.bias->vector_size() == columns);
  if (heads <= 0 || columns <= 0 || columns % (3 * heads) != 0 || !biased ||
      !step.op.integers("qkv_hidden_sizes").empty()) {
    step.op.refuse(
        "queries, keys and values that are not equally wide columns of one constant weight and "
        "bias, in ",
        heads, " heads");
  }
  return columns / 3;
}

ImportValue packed_attention(Importer& importer, const Step& step, const PackedAttention& parts) {
  const int64_t heads = step.op.integer("num_heads", 0);
  const int64_t n = projected_columns(step, parts);
  for (const std::string_view attribute :
       {"unidirectional", "do_rotary", "past_present_share_buffer"}) {
    if (step.op.integer(attribute, 0) != 0) step.op.refuse(attribute, " is set; 0 is accepted");
  }
  if (parts.mask != nullptr) check_packed_mask(importer, step, *parts.mask);
  if (parts.mask == nullptr && importer.has_mask_input())
    step.op.refuse("attention without a mask");
  const std::string module =
      step.op.node().outputs.empty() ? "" : module_of_path(step.op.node().outputs[0]);
  ImportValue projected[3];
  for (size_t i = 0; i < 3; ++i) {
    const int64_t first = static_cast<int64_t>(i) * n;
    const std::string name =
        importer.unused_name(cat(module.empty() ? step.op.node().name : module, ".", kParts[i]));
    const auto part = [&](const Known& whole, std::string_view end) {
      return part_of(whole, first, n, importer.unused_name(cat(name, end)));
    };
    projected[i] = importer.linear(step, *parts.x, part(*parts.weight, ".weight"), true);
    if (parts.bias != nullptr) {
      projected[i] = importer.add_bias(step, *projected[i].hidden, part(*parts.bias, ".bias"));
    }
    const Layout split({{{Axis::kSequence}},
                        {{Axis::kColumn, heads, n / heads}},
                        {{Axis::kToken}},
                        {{Axis::kColumn, n / heads, 1}}});
    projected[i].hidden->layout = split;
  }
  const int64_t head_size = n / heads;
  const double usual = 1.0 / std::sqrt(static_cast<double>(head_size));
  const double scale = step.op.number("scale", 0) == 0 ? usual : step.op.number("scale", 0);
  ImportValue scores =
      make_scores(importer, step, *projected[0].hidden, *projected[1].hidden, true, scale);
  scores.hidden->mask = MaskRule{};
  const ImportValue probabilities = make_probabilities(importer, step, *scores.hidden);
  ImportValue context = make_context(importer, step, *probabilities.hidden, *projected[2].hidden);
  context.hidden->layout = Layout::rows(n);
  return context;
}

// `mask_filter_value` is what padding gets; below it nothing of a key is left.
void check_filter(const Step& step) {
  const double filter = step.op.number("mask_filter_value", -10000);
  if (filter > -60000) {
    step.op.refuse("mask_filter_value is ", filter, "; values of at most -60000 are accepted");
  }
}

// Keys and values of an operator that groups queries by itself.
Heads as_if_repeated(const Heads& keys, const Heads& queries, bool grouped) {
  Heads result = keys;
  if (grouped && queries.count % keys.count == 0) result.repeats = queries.count / keys.count;
  return result;
}

}  // namespace

std::optional<Heads> heads_of(const Hidden& x, bool tokens_last) {
  const size_t rank = x.layout.rank();
  if (x.form != Form::kRows || rank < 3) return std::nullopt;
  const AtomGroup& tokens = x.layout[rank - (tokens_last ? 1 : 2)];
  const AtomGroup& columns = x.layout[rank - (tokens_last ? 2 : 1)];
  if (tokens != AtomGroup{{Axis::kToken}} || columns.size() != 1) return std::nullopt;
  Heads heads;
  heads.size = columns[0].size;
  AtomGroup lead = lead_of(x.layout);
  if (lead.size() > 1 && lead.back().axis == Axis::kRepeat) {
    heads.repeats = lead.back().size;
    lead.pop_back();
  }
  if (lead.size() == 2 && lead[1].axis == Axis::kColumn) {
    heads.count = lead[1].size;
    if (lead[1].stride != heads.size) return std::nullopt;
  } else if (lead.size() != 1) {
    return std::nullopt;
  }
  const bool sequences = lead[0].axis == Axis::kSequence;
  const bool even = columns[0] == Atom{Axis::kColumn, heads.size, 1};
  return sequences && even && heads.count * heads.size == x.columns ? std::optional(heads)
                                                                    : std::nullopt;
}

double factor_of(const Step& step, const Hidden& x) {
  const auto factor = linear_factor(x.function);
  if (!factor) step.op.refuse("queries or keys under a function; a factor is accepted");
  return *factor;
}

MaskRule checked_mask(const Importer& importer, const Step& step, std::span<const Array> added,
                      IdsUse use) {
  if (use == IdsUse::kOther) {
    step.op.refuse("a mask that depends on ids, but not by comparing them with one id");
  }
  std::string why;
  if (const auto rule = mask_rule(added, importer.probes(), why)) return *rule;
  if (const auto rule = global_mask_rule(added, importer.probes(), use)) return *rule;
  if (const auto rule = block_mask_rule(added, importer.probes())) return *rule;
  step.op.refuse("what is added to attention's scores is no mask: ", why);
}

void check_pairs(const Step& step, const Hidden& scores) {
  const size_t rank = scores.layout.rank();
  if (rank >= 3 && scores.layout[rank - 1] == AtomGroup{{Axis::kKey}} &&
      scores.layout[rank - 2] == AtomGroup{{Axis::kToken}}) {
    return;
  }
  step.op.refuse("attention's scores whose last two axes are not queries and their keys");
}

ImportValue make_scores(Importer& importer, const Step& step, const Hidden& q, const Hidden& k,
                        bool keys_turned, double factor) {
  const bool grouped = step.op.type() == "Attention";
  const auto queries = heads_of(q, false);
  const auto keys = heads_of(k, !keys_turned);
  if (!queries || !keys || !are_of_same_heads(*queries, as_if_repeated(*keys, *queries, grouped))) {
    step.op.refuse(
        "a product of hidden states that is not attention's; queries "
        "[batch, heads, tokens, size] and keys of the same heads are expected");
  }
  ImportValue scores = {nullptr, std::make_shared<Hidden>()};
  Hidden& result = *scores.hidden;
  result.form = Form::kScores;
  result.value = importer.emit_columns(step, q);
  result.keys = importer.emit_columns(step, k);
  result.heads = queries->count;
  result.head_size = queries->size;
  result.key_heads = keys->count;
  result.factor = factor * factor_of(step, q) * factor_of(step, k);
  const size_t rank = q.layout.rank();
  result.layout = q.layout.with_axis(rank - 1, {{Axis::kKey}});
  return scores;
}

ImportValue make_probabilities(Importer& importer, const Step& step, const Hidden& scores) {
  if (!scores.mask && importer.has_mask_input()) {
    step.op.refuse("attention without a mask, though attention_mask is an input");
  }
  check_head_size(importer, step, scores);
  const MaskRule mask = scores.mask.value_or(MaskRule{});
  if (scores.causal_bias && mask.right != 0) {
    step.op.refuse("a bias for keys before their query alone, of which a mask hides no others");
  }
  if (!std::isfinite(scores.factor) || scores.factor == 0) {
    step.op.refuse("a factor of ", scores.factor, " on attention's scores");
  }
  std::vector<ValueId> inputs = {scores.value, scores.keys, scores.bias};
  const auto& [keys, queries] = scores.terms;
  inputs.push_back(position_table(importer, step, scores, 0));
  // Queries and keys that meet the same rows read one table.
  const bool same = keys.table != nullptr && queries.table != nullptr &&
                    keys.factor == queries.factor && *keys.table == *queries.table;
  inputs.push_back(same ? inputs.back() : position_table(importer, step, scores, 1));
  const bool reads_ids = mask.global.rule != graph::GlobalRule::kNone;
  inputs.push_back(reads_ids ? importer.input_ids() : graph::kNoValue);
  ValueId value = importer.emit(step, OpKind::kAttentionScores, std::move(inputs),
                                attributes_of(importer, scores));
  if (!has_terms(scores)) {
    const ValueId scale = scale_constant(importer, scores.factor, scores.head_size);
    value = importer.emit(step, OpKind::kMul, {value, scale});
  }
  ImportValue result = {nullptr, std::make_shared<Hidden>(scores)};
  result.hidden->form = Form::kProbabilities;
  result.hidden->value = importer.emit(step, OpKind::kSoftmax, {value});
  return result;
}

ImportValue make_context(Importer& importer, const Step& step, const Hidden& probabilities,
                         const Hidden& v) {
  const auto values = heads_of(v, false);
  check_pairs(step, probabilities);
  const Layout& pairs = probabilities.layout;
  const Heads queries = {probabilities.heads, probabilities.head_size, 1};
  const bool grouped = step.op.type() == "Attention";
  if (!values || !are_of_same_heads(queries, as_if_repeated(*values, queries, grouped)) ||
      values->count != probabilities.key_heads || v.function) {
    step.op.refuse("probabilities times something that is no values of the same heads");
  }
  graph::AttentionAttributes attributes;
  attributes.heads = probabilities.heads;
  if (values->count != queries.count) attributes.kv_heads = values->count;
  const ValueId from = importer.emit_columns(step, v);
  const ValueId context =
      importer.emit(step, OpKind::kAttentionContext, {probabilities.value, from}, attributes);
  return importer.rows(context,
                       pairs.with_axis(pairs.rank() - 1, {{Axis::kColumn, queries.size, 1}}));
}

std::vector<ImportValue> import_softmax(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  if (!x.has(Form::kScores))
    step.op.refuse("a softmax of something that is not attention's scores");
  const size_t rank = x.hidden->layout.rank();
  const int64_t otherwise = step.op.opset() < 13 ? 1 : -1;
  if (axis_of(step.op.integer("axis", otherwise), rank) + 1 != rank) {
    step.op.refuse("a softmax that is not over the last axis");
  }
  check_pairs(step, *x.hidden);
  return {make_probabilities(importer, step, *x.hidden)};
}

std::vector<ImportValue> import_attention(Importer& importer, const Step& step) {
  for (const std::string_view attribute :
       {"qk_matmul_output_mode", "q_num_heads", "kv_num_heads"}) {
    if (step.op.integer(attribute, 0) != 0) step.op.refuse(attribute, " is set; 0 is accepted");
  }
  if (step.op.number("softcap", 0) != 0) step.op.refuse("softcap is set; 0 is accepted");
  if (step.inputs.size() > 4 || step.op.node().outputs.size() > 1) step.op.refuse("past keys");
  const Hidden& q = step.hidden(0);
  const int64_t size = q.layout.rank() == 4 && q.layout[3].size() == 1 ? q.layout[3][0].size : 1;
  const double scale = step.op.number("scale", 1.0 / std::sqrt(static_cast<double>(size)));
  ImportValue scores = make_scores(importer, step, q, step.hidden(1), true, scale);
  if (step.has(3) && step.inputs[3].has(Form::kDistanceBias)) {
    scores = biased_scores(step, *scores.hidden, *step.inputs[3].hidden);
  } else if (step.has(3)) {
    const Known& mask = step.known(3);
    const bool boolean = mask.type() == ElementType::kBool;
    scores.hidden->mask =
        checked_mask(importer, step, boolean ? boolean_as_added(mask) : mask.all(), mask.ids_use());
  }
  const int64_t is_causal = step.op.integer("is_causal", 0);
  if (is_causal != 0 && is_causal != 1) {
    step.op.refuse("is_causal is ", is_causal, "; 0 and 1 are accepted");
  }
  if (is_causal == 1) {
    // Of keys up to a token's own none is padding, which comes last.
    MaskRule causal = scores.hidden->mask.value_or(MaskRule{});
    causal.right = 0;
    scores.hidden->mask = causal;
  }
  const ImportValue probabilities = make_probabilities(importer, step, *scores.hidden);
  return {make_context(importer, step, *probabilities.hidden, step.hidden(2))};
}

std::vector<ImportValue> import_packed_attention(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  if (!x.has(Form::kRows) || step.inputs.size() > 4) {
    step.op.refuse("more inputs than hidden states, weight, bias and mask");
  }
  (void)step.known(1);
  check_filter(step);
  return {packed_attention(
      importer, step,
      {x.hidden.get(), step.inputs[1].known, step.has(2) ? &step.known(2) : nullptr,
       step.has(3) ? &step.known(3) : nullptr})};
}

std::vector<ImportValue> import_quantized_attention(Importer& importer, const Step& step) {
  // x, weight, bias, scale of x, scale of the weight, mask, zero points of both, past
  const ImportValue& x = step.input(0);
  if (!x.has(Form::kRows) || step.has(8))
    step.op.refuse("hidden states without a past are expected");
  check_quantized_by(step, x, 3, 6);
  if (x.integers->at_run_time == nullptr) importer.count_activation_scale();
  check_filter(step);
  const Known* zero = step.has(7) ? &step.known(7) : nullptr;
  const auto weight = importer.dequantized(step, step.known(1), step.known(4), zero, {-1});
  return {packed_attention(importer, step,
                           {x.hidden.get(), weight, step.has(2) ? &step.known(2) : nullptr,
                            step.has(5) ? &step.known(5) : nullptr})};
}

}  // namespace tamis::onnx
