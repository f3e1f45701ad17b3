// Rows of tokens to rows of sequences: sums by weights, greatest values, several side by side.
#include <algorithm>
#include <cmath>

#include "onnx/ids_use.h"
#include "onnx/importer.h"
#include "onnx/rules/pool_rule.h"

namespace tamis::onnx {

using graph::Operand;
using graph::OpKind;
using graph::ValueId;

namespace {

// The mask as weights.
std::shared_ptr<const Known> mask_weights(const Importer& importer) {
  ProbeArrays weights;
  for (size_t p = 0; p < kProbes; ++p) {
    const Array& mask = importer.probes()[p].attention_mask;
    weights[p] = {{mask.dims[0], mask.dims[1], 1}, ElementType::kFloat, mask.data};
  }
  return std::make_shared<const Known>("attention_mask", std::move(weights));
}

bool spreads_to(const Dims& narrow, const Dims& wide) {
  if (narrow.size() > wide.size()) return false;
  const size_t before = wide.size() - narrow.size();
  for (size_t i = 0; i < narrow.size(); ++i) {
    if (narrow[i] != 1 && narrow[i] != wide[before + i]) return false;
  }
  return true;
}

// One number for each token of what spreads over rows of `dims`; nothing: columns differ.
std::optional<Array> by_token(const Array& array, const Dims& dims) {
  if (!spreads_to(array.dims, dims)) return std::nullopt;
  Dims narrow = dims;
  narrow[2] = array.dims.empty() ? 1 : array.dims.back();
  const Array wide = spread(array, narrow);
  std::vector<double> values;
  for (int64_t i = 0; i < wide.elements(); ++i) {
    if (i % narrow[2] == 0) values.push_back(wide[i]);
    if (wide[i] != values.back()) return std::nullopt;
  }
  return make_array({dims[0], dims[1], 1}, ElementType::kFloat, std::move(values));
}

// Each sequence's rows where the step reduces them, one axis less or of size 1.
Layout without_tokens(const Step& step, const Hidden& rows) {
  const size_t axis = reduced_axis(step, rows);
  const bool tokens = rows.layout[axis] == AtomGroup{{Axis::kToken}};
  if (!tokens || rows.layout[0] != AtomGroup{{Axis::kSequence}}) {
    step.op.refuse("axis ", axis, "; the tokens of [batch, sequence, hidden] are expected");
  }
  return reduced_layout(step, rows.layout, axis);
}

// The weights of a sum with f of them and one number for each sequence.
std::shared_ptr<const Known> rescaled(const Importer& importer, const Step& step, const Hidden& sum,
                                      const Known& by, Pair f) {
  ProbeArrays weights;
  for (size_t p = 0; p < kProbes; ++p) {
    const Array each = spread(by.at(p), sum.layout.dims(importer.probes()[p].sizes));
    const int64_t columns = each.elements() / importer.probes()[p].sizes.sequences;
    std::vector<double> numbers;
    for (int64_t i = 0; i < each.elements(); ++i) {
      if (i % columns == 0) numbers.push_back(each[i]);
      const bool same =
          each[i] == numbers.back() || (std::isnan(each[i]) && std::isnan(numbers.back()));
      if (!same) step.op.refuse("a sum over tokens, column by column");
    }
    const auto sequences = static_cast<int64_t>(numbers.size());
    weights[p] = combine(sum.known->at(p),
                         make_array({sequences, 1, 1}, ElementType::kFloat, std::move(numbers)),
                         ElementType::kFloat, f);
  }
  return std::make_shared<const Known>(by.name(), std::move(weights),
                                       joined(sum.known->ids_use(), by.ids_use()));
}

// The pooling that a sum of weighted rows is; nothing: another sum, or one that ids may change.
std::optional<graph::PoolAttributes> pool_of(const Importer& importer, const Hidden& sum) {
  if (!importer.shows_ends(sum.known->ids_use())) return std::nullopt;
  return pool_rule(sum.known->all(), importer.probes());
}

// What pools have in common whose results lie side by side.
struct PoolInput {
  ValueId x = graph::kNoValue;
  std::vector<Pooling> modes;
};

std::optional<PoolInput> pool_input(const Importer& importer, const ImportValue& pool) {
  const bool rows = pool.has(Form::kRows) && !pool.hidden->function &&
                    pool.hidden->layout.is_rows(pool.hidden->columns);
  const int at = rows ? importer.graph().producer(pool.hidden->value) : -1;
  if (at < 0) return std::nullopt;
  const graph::Node& node = importer.graph().nodes()[static_cast<size_t>(at)];
  const bool whole = importer.graph().value(node.output).shape[1].size == pool.hidden->columns;
  if (node.op != OpKind::kSequencePool || node.has(Operand::kIds) || !whole) return std::nullopt;
  return PoolInput{node.operand(Operand::kX), node.attribute<graph::PoolAttributes>().modes};
}

}  // namespace

ImportValue pooled_rows(Importer& importer, const Step& step, const Hidden& rows,
                        graph::PoolAttributes attributes) {
  std::vector<ValueId> inputs = {rows.value};
  if (attributes.padding_idx >= 0 || attributes.token >= 0) inputs.push_back(importer.input_ids());
  const ValueId value =
      importer.emit(step, OpKind::kSequencePool, std::move(inputs), std::move(attributes));
  return importer.rows(value, rows.layout);
}

bool is_mask(const Importer& importer, const Known& known, double one, double zero) {
  return !known.is_constant() && known.ids_use() == IdsUse::kNone &&
         follows_mask(known.all(), importer.probes(), one, zero);
}

std::shared_ptr<const Known> token_weights(const Importer& importer, const Hidden& rows,
                                           const Known& known) {
  const bool whole = rows.layout.rank() == 3 && rows.layout.has(Axis::kSequence) &&
                     rows.layout.has(Axis::kToken) && rows.layout.is_rows(rows.columns);
  if (!whole) return nullptr;
  ProbeArrays weights;
  for (size_t p = 0; p < kProbes; ++p) {
    auto each = by_token(known.at(p), rows.layout.dims(importer.probes()[p].sizes));
    if (!each) return nullptr;
    weights[p] = *std::move(each);
  }
  return std::make_shared<const Known>(known.name(), std::move(weights), known.ids_use());
}

ImportValue weighted_rows(Importer& importer, const Step& step, Hidden& x, const Known& known) {
  const bool waits = x.form == Form::kNormal || x.form == Form::kUnitLength;
  if (known.is_constant() || !(waits || x.form == Form::kRows)) return {};
  auto weights = token_weights(importer, x, known);
  if (weights == nullptr) return {};
  importer.emit_rows(step, x);
  ImportValue result = in_form(x, Form::kWeighted);
  if (x.padding == Padding::kZero) {
    result.hidden->known = mask_weights(importer);
    return reweighted_rows(importer, step, *result.hidden, *weights,
                           [](double mask, double weight) { return mask * weight; });
  }
  result.hidden->known = std::move(weights);
  return result;
}

ImportValue reweighted_rows(const Importer& importer, const Step& step, const Hidden& rows,
                            const Known& by, Pair f) {
  const auto more = token_weights(importer, rows, by);
  if (more == nullptr) step.op.refuse("factors that are not one for each token or sequence");
  ProbeArrays weights;
  for (size_t p = 0; p < kProbes; ++p) {
    weights[p] = combine(rows.known->at(p), more->at(p), ElementType::kFloat, f);
  }
  ImportValue result = in_form(rows, Form::kWeighted);
  result.hidden->known = std::make_shared<const Known>(by.name(), std::move(weights),
                                                       joined(rows.known->ids_use(), by.ids_use()));
  return result;
}

ImportValue rescaled_sum(Importer& importer, const Step& step, const Hidden& sum, const Known& by,
                         Pair f) {
  ImportValue result = in_form(sum, Form::kTokenSum);
  result.hidden->known = rescaled(importer, step, sum, by, f);
  if (const auto pool = pool_of(importer, *result.hidden)) {
    return pooled_rows(importer, step, sum, *pool);
  }
  if (!importer.shows_ends(result.hidden->known->ids_use())) {
    step.op.refuse(
        "a sum over tokens that count by their ids; a comparison with one id is accepted");
  }
  const Array& weights = result.hidden->known->at(0);
  step.op.refuse("a sum over tokens that is no pooling: the first two of ",
                 importer.probes()[0].count_tokens(0), " count by ", weights[0], " and ",
                 weights[1]);
}

ImportValue joined_pools(Importer& importer, const Step& step) {
  graph::PoolAttributes attributes;
  ValueId x = graph::kNoValue;
  for (const ImportValue& input : step.inputs) {
    const auto pool = pool_input(importer, input);
    if (!pool || (x != graph::kNoValue && pool->x != x)) return {};
    x = pool->x;
    attributes.modes.insert(attributes.modes.end(), pool->modes.begin(), pool->modes.end());
  }
  const Layout& layout = step.inputs[0].hidden->layout;
  const bool alike = std::ranges::all_of(step.inputs, [&](const ImportValue& input) {
    return input.hidden->layout.rank() == layout.rank();
  });
  const size_t last = layout.rank() - 1;
  if (!alike || axis_of(step.op.integer("axis", 0), layout.rank()) != last) return {};
  const ValueId value = importer.emit(step, OpKind::kSequencePool, {x}, std::move(attributes));
  const int64_t columns = importer.graph().value(value).shape[1].size;
  return importer.rows(value, layout.with_columns(last, columns));
}

std::vector<ImportValue> import_sum(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  const bool masked = x.has(Form::kRows) && x.hidden->padding == Padding::kZero;
  if (!masked && !x.has(Form::kWeighted)) {
    step.op.refuse("a sum over hidden states that are not masked");
  }
  const Layout layout = without_tokens(step, *x.hidden);
  if (masked) importer.emit_rows(step, *x.hidden);
  ImportValue sum = in_form(*x.hidden, Form::kTokenSum);
  sum.hidden->layout = layout;
  if (masked) sum.hidden->known = mask_weights(importer);
  if (const auto pool = pool_of(importer, *sum.hidden)) {
    return {pooled_rows(importer, step, *sum.hidden, *pool)};
  }
  return {sum};
}

std::vector<ImportValue> import_max(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  if (!x.has(Form::kRows) || x.hidden->padding != Padding::kLow) {
    step.op.refuse("a maximum over hidden states whose padding is not ", kMaskLimit, " or less");
  }
  const Layout layout = without_tokens(step, *x.hidden);
  importer.emit_rows(step, *x.hidden);
  Hidden rows = *x.hidden;
  rows.layout = layout;
  return {pooled_rows(importer, step, rows, {{Pooling::kMax}})};
}

}  // namespace tamis::onnx
