// Element by element: sums of rows, activations in their parts, factors.
#include <cmath>

#include "onnx/import_positions.h"
#include "onnx/import_rotary.h"

namespace tamis::onnx {

using graph::OpKind;
using graph::ValueId;

namespace {

double product_of(double x, double y) { return x * y; }
double quotient_of(double x, double y) { return x / y; }

// Distances that ALiBi tells apart: sequences are no longer (BatchLimits::max_seqlen).
constexpr int64_t kMostAlibiDistance = int64_t{1} << 20;

Function applied(const Function& inner, Function outer) {
  if (!inner) return outer;
  return [inner, outer](double x) { return outer(inner(x)); };
}

double value_of(const Function& f, double x) { return f ? f(x) : x; }

bool same_rows(const Hidden& a, const Hidden& b) {
  return a.form == Form::kRows && b.form == Form::kRows && same_columns(a, b);
}

// The one number that hidden values of that many axes are combined with.
std::optional<double> number_for(const Hidden& x, const ImportValue& value) {
  if (value.known == nullptr || value.known->dims().size() > x.layout.rank()) return std::nullopt;
  return value.known->scalar();
}

// f(a, b) as a function of the rows that both are made of, absent if they are not.
ImportValue combined(const ImportValue& a, const ImportValue& b, Pair f) {
  if (a.has(Form::kRows)) {
    if (const auto c = number_for(*a.hidden, b)) {
      return with_function(*a.hidden, [f, c = *c](double x) { return f(x, c); });
    }
  }
  if (b.has(Form::kRows)) {
    if (const auto c = number_for(*b.hidden, a)) {
      return with_function(*b.hidden, [f, c = *c](double x) { return f(c, x); });
    }
  }
  if (a.hidden == nullptr || b.hidden == nullptr || !same_rows(*a.hidden, *b.hidden)) return {};
  ImportValue result = {nullptr, std::make_shared<Hidden>(*a.hidden)};
  const bool zero = a.hidden->padding == Padding::kZero && b.hidden->padding == Padding::kZero;
  result.hidden->padding = zero && f(0, 0) == 0 ? Padding::kZero : Padding::kAnything;
  const Function left = a.hidden->function;
  const Function right = b.hidden->function;
  result.hidden->function = [f, left, right](double x) {
    return f(value_of(left, x), value_of(right, x));
  };
  return result;
}

bool is_scalable(const ImportValue& value) {
  return value.has(Form::kScores) || value.has(Form::kTable) || value.has(Form::kPositionProduct) ||
         value.has(Form::kPositionBias);
}

// Scores, a table of places or its products with another factor; absent if there are none.
ImportValue scaled(const ImportValue& a, const ImportValue& b, bool divide) {
  if (!is_scalable(a) || b.known == nullptr || !b.known->scalar()) return {};
  if (a.hidden->mask || a.hidden->bias != graph::kNoValue) return {};
  const double c = divide ? 1 / *b.known->scalar() : *b.known->scalar();
  if (a.has(Form::kTable)) return with_function(*a.hidden, [c](double x) { return c * x; });
  ImportValue result = {nullptr, std::make_shared<Hidden>(*a.hidden)};
  result.hidden->factor *= c;
  for (PositionTerm& term : result.hidden->terms) term.factor *= c;
  return result;
}

ImportValue masked_scores(Importer& importer, const Step& step, const Hidden& scores,
                          const Known& added) {
  if (scores.mask) step.op.refuse("a second mask on the same scores");
  check_pairs(step, scores);
  ImportValue result = {nullptr, std::make_shared<Hidden>(scores)};
  result.hidden->mask = checked_mask(importer, step, added.all(), added.ids_use());
  return result;
}

// Scores with a bias that falls with the distance, and perhaps a mask; absent: there is none.
ImportValue scores_with_slopes(Importer& importer, const Hidden& scores, const Known& known) {
  if (scores.bias != graph::kNoValue) return {};
  const auto rule = alibi_rule(known.all(), importer.probes());
  if (!rule || static_cast<int64_t>(rule->slopes.size()) != scores.heads) return {};
  if (rule->masks && scores.mask) return {};
  ImportValue result = {nullptr, std::make_shared<Hidden>(scores)};
  result.hidden->bias = importer.constant("alibi_slopes", Shape{scores.heads}, rule->slopes);
  result.hidden->bias_rule = graph::BiasRule::kAlibi;
  // The file's own slopes end nowhere; the longest probe shows as far as it looks.
  result.hidden->max_distance = kMostAlibiDistance;
  if (rule->masks) result.hidden->mask = rule->mask;
  return result;
}

// A constant with one number for each column, whatever axes count them, as a vector of columns;
// absent: it has another shape.
std::shared_ptr<const Known> along_columns(const Hidden& x, const Known& known) {
  const Dims dims = known.dims();
  const size_t rank = x.layout.rank();
  if (!known.is_constant() || dims.size() > rank) return nullptr;
  std::vector<int64_t> places = {0};
  for (size_t i = 0; i < rank; ++i) {
    const AtomGroup& group = x.layout[i];
    const int64_t size = i + dims.size() < rank ? 1 : dims[i + dims.size() - rank];
    const bool columns = group.size() == 1 && group[0].axis == Axis::kColumn;
    if (size != (columns ? group[0].size : 1)) return nullptr;
    std::vector<int64_t> next;
    for (const int64_t place : places) {
      for (int64_t j = 0; j < size; ++j)
        next.push_back(place + (columns ? j * group[0].stride : 0));
    }
    places = std::move(next);
  }
  std::vector<float> values(places.size());
  if (static_cast<int64_t>(values.size()) != x.columns) return nullptr;
  for (size_t i = 0; i < places.size(); ++i) {
    values[static_cast<size_t>(places[i])] =
        static_cast<float>(known.at(0)[static_cast<int64_t>(i)]);
  }
  return computed_constant(known.name(), {x.columns}, std::move(values));
}

// A bias of heads that lie apart already.
ImportValue add_along_columns(Importer& importer, const Step& step, Hidden& x, const Known& known) {
  const auto bias = along_columns(x, known);
  if (bias == nullptr) refuse_pair(step);
  importer.end_function(step, x);
  const ValueId added = importer.vector(step, *bias, x.columns);
  return importer.rows(importer.emit(step, OpKind::kAdd, {x.value, added}), x.layout);
}

// x + constant, in the forms that are not rows under a function.
ImportValue add_known(Importer& importer, const Step& step, Hidden& x, const Known& known) {
  switch (x.form) {
    case Form::kScores:
      if (ImportValue scores = scores_with_slopes(importer, x, known); !scores.absent()) {
        return scores;
      }
      return masked_scores(importer, step, x, known);
    case Form::kDistanceBias:
      return masked_scores(importer, step, x, known);
    case Form::kTable:
      return biased_table(importer, step, x, known);
    case Form::kMeanSquare:
    case Form::kVariance: {
      if (!known.scalar()) break;
      ImportValue result = {nullptr, std::make_shared<Hidden>(x)};
      result.hidden->epsilon += *known.scalar();
      return result;
    }
    case Form::kNormal: {
      if (x.is_rms) {
        importer.end_steps(step, x);
        return add_known(importer, step, x, known);
      }
      const Known beta = known;
      Hidden rows = x;
      rows.form = Form::kRows;
      return make_norm(importer, step, rows, x.known.get(), &beta, x.epsilon);
    }
    case Form::kRows:
      if (known.vector_size() && x.layout.has_whole_rows(x.columns)) {
        return importer.add_bias(step, x, known);
      }
      return add_along_columns(importer, step, x, known);
    default:
      break;
  }
  refuse_pair(step);
}

bool is_square(const ImportValue& a, const ImportValue& b) {
  return a.has(Form::kCentered) && b.has(Form::kCentered) && same_columns(*a.hidden, *b.hidden);
}

// Whether `lengths` has one number for each of the rows.
bool are_lengths_of(const ImportValue& lengths, const ImportValue& rows) {
  if (!lengths.has(Form::kLength) || !rows.has(Form::kRows) || rows.hidden->function) return false;
  Hidden wide = *lengths.hidden;
  wide.layout = rows.hidden->layout;
  const Layout narrow = wide.layout.with_axis(wide.layout.rank() - 1, {});
  return lengths.hidden->layout == narrow && same_columns(wide, *rows.hidden);
}

ImportValue multiply_known(Importer& importer, const Step& step, Hidden& x, const Known& known) {
  if (x.form == Form::kNormal && x.known == nullptr && known.vector_size()) {
    ImportValue result = in_form(x, Form::kNormal);
    result.hidden->known = std::make_shared<Known>(known);
    return result;
  }
  const bool scale = x.form == Form::kScale && x.known == nullptr && x.multiplied == nullptr;
  if (scale && known.is_constant()) {
    ImportValue result = in_form(x, Form::kScale);
    result.hidden->known = std::make_shared<Known>(known);
    return result;
  }
  if (x.form == Form::kNormal && x.is_rms) importer.end_steps(step, x);
  if (const ImportValue part = times_positions(x, std::make_shared<const Known>(known));
      !part.absent()) {
    return part;
  }
  if (x.form == Form::kRows && is_mask(importer, known, 1, 0)) {
    return with_padding(x, Padding::kZero);
  }
  if (ImportValue weighted = weighted_rows(importer, step, x, known); !weighted.absent()) {
    return weighted;
  }
  if (x.form == Form::kRows && known.vector_size() && known.dims().size() <= x.layout.rank()) {
    const ValueId from = importer.emit_rows(step, x);
    const ValueId by = importer.vector(step, known, x.columns);
    return importer.rows(importer.emit(step, OpKind::kMul, {from, by}), x.layout);
  }
  refuse_pair(step);
}

// Whether `rows` are what `root` was taken of.
bool is_normed_by(const ImportValue& rows, const ImportValue& root) {
  return rows.has(Form::kRows) && !rows.hidden->function &&
         same_columns(*rows.hidden, *root.hidden);
}

// Rows over their root mean square; gamma is yet to come.
ImportValue normal_of(const Hidden& root) {
  ImportValue result = in_form(root, Form::kNormal);
  result.hidden->is_rms = true;
  result.hidden->known = nullptr;
  return result;
}

ImportValue divided_by_root(const Step& step, const ImportValue& a, const ImportValue& root) {
  if (is_normed_by(a, root)) return normal_of(*root.hidden);
  if (a.known == nullptr || a.known->scalar() != 1.0) refuse_pair(step);
  return in_form(*root.hidden, Form::kInverseRoot);
}

// A square of rows times a factor is one of what they then are.
void end_factor(Importer& importer, const Step& step, const ImportValue& a, const ImportValue& b) {
  const bool square = a.has(Form::kRows) && a.hidden == b.hidden && a.hidden->function;
  if (square && linear_factor(a.hidden->function)) importer.end_function(step, *a.hidden);
}

}  // namespace

ImportValue biased_scores(const Step& step, const Hidden& scores, const Hidden& bias) {
  const Layout& places = bias.layout;
  const size_t rank = places.rank();
  bool fits = rank >= 3 && places[rank - 1] == AtomGroup{{Axis::kKey}} &&
              places[rank - 2] == AtomGroup{{Axis::kToken}} &&
              places[rank - 3] == AtomGroup{{Axis::kColumn, scores.heads, 1}};
  for (size_t i = 0; i + 3 < rank; ++i) fits = fits && places[i].empty();
  if (!fits || scores.bias != graph::kNoValue) {
    step.op.refuse("a bias on scores that is not one for each head and distance");
  }
  ImportValue result = {nullptr, std::make_shared<Hidden>(scores)};
  if (bias.mask && scores.mask) step.op.refuse("a second mask on the same scores");
  result.hidden->bias = bias.value;
  result.hidden->bias_rule = bias.bias_rule;
  result.hidden->max_distance = bias.max_distance;
  result.hidden->causal_bias = bias.causal_bias;
  if (bias.mask) result.hidden->mask = bias.mask;
  return result;
}

ImportValue with_padding(const Hidden& rows, Padding padding) {
  ImportValue result = in_form(rows, Form::kRows);
  result.hidden->padding = padding;
  return result;
}

void refuse_pair(const Step& step) {
  step.op.refuse(
      "these operands are not understood; accepted are sums of hidden states, biases, "
      "factors, masks, and the parts of activations and norms");
}

ImportValue with_function(const Hidden& rows, Function function) {
  ImportValue result = {nullptr, std::make_shared<Hidden>(rows)};
  const bool zero = rows.padding == Padding::kZero && function(0) == 0;
  result.hidden->padding = zero ? Padding::kZero : Padding::kAnything;
  result.hidden->function = applied(rows.function, std::move(function));
  return result;
}

ImportValue make_sum(Importer& importer, const Step& step, Hidden& a, Hidden& b) {
  const ValueId left = importer.emit_rows(step, a);
  const ValueId right = importer.emit_rows(step, b);
  const bool wider = a.layout.has(Axis::kSequence) || !b.layout.has(Axis::kSequence);
  check_spread(importer, step, wider ? a : b, wider ? b : a);
  return importer.rows(importer.emit(step, OpKind::kAdd, {left, right}),
                       wider ? a.layout : b.layout);
}

void check_spread(const Importer& importer, const Step& step, const Hidden& wide,
                  const Hidden& narrow) {
  for (size_t p = 0; p < kShapeProbes; ++p) {
    const BatchSizes& sizes = importer.probes()[p].sizes;
    const Dims dims = wide.layout.dims(sizes);
    if (broadcast_dims(dims, narrow.layout.dims(sizes)) != dims) {
      step.op.refuse("hidden states that are repeated");
    }
  }
}

std::vector<ImportValue> import_add(Importer& importer, const Step& step) {
  const ImportValue& a = step.input(0);
  const ImportValue& b = step.input(1);
  // One number for one column is a bias, not part of a function.
  for (const auto& [x, y] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    const bool one_column =
        x->has(Form::kRows) && x->hidden->columns == 1 && x->hidden->function == nullptr;
    if (one_column && y->known != nullptr && y->known->vector_size() == 1) {
      return {importer.add_bias(step, *x->hidden, *y->known)};
    }
  }
  if (const ImportValue sum = sum_of_positions(step, a, b); !sum.absent()) return {sum};
  if (const ImportValue result = combined(a, b, [](double x, double y) { return x + y; });
      !result.absent()) {
    return {result};
  }
  if (a.known != nullptr) return {add_known(importer, step, step.hidden(1), *a.known)};
  if (b.known != nullptr) return {add_known(importer, step, step.hidden(0), *b.known)};
  for (const auto& [x, y] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    if (x->has(Form::kTimesCosine) && y->has(Form::kTimesSine)) {
      return {turned(importer, step, *x->hidden, *y->hidden)};
    }
    if (x->has(Form::kScores) && y->has(Form::kDistanceBias)) {
      return {biased_scores(step, *x->hidden, *y->hidden)};
    }
  }
  if (a.has(Form::kScores) || b.has(Form::kScores)) {
    step.op.refuse("a bias on attention's scores; none is expected but a mask");
  }
  return {make_sum(importer, step, *a.hidden, *b.hidden)};
}

std::vector<ImportValue> import_sub(Importer&, const Step& step) {
  const ImportValue& a = step.input(0);
  const ImportValue& b = step.input(1);
  const bool centers = b.has(Form::kMean) && a.has(Form::kRows) && !a.hidden->function &&
                       same_columns(*a.hidden, *b.hidden);
  if (centers) {
    return {in_form(*b.hidden, Form::kCentered)};
  }
  const ImportValue result = combined(a, b, [](double x, double y) { return x - y; });
  if (result.absent()) refuse_pair(step);
  return {result};
}

std::vector<ImportValue> import_mul(Importer& importer, const Step& step) {
  const ImportValue& a = step.input(0);
  const ImportValue& b = step.input(1);
  for (const auto& [x, y] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    if (const ImportValue result = scaled(*x, *y, false); !result.absent()) return {result};
    if (x->has(Form::kWeighted) && y->known != nullptr) {
      return {reweighted_rows(importer, step, *x->hidden, *y->known, product_of)};
    }
    if (x->has(Form::kTokenSum) && y->known != nullptr) {
      return {rescaled_sum(importer, step, *x->hidden, *y->known, product_of)};
    }
    if (x->has(Form::kInverseRoot) && is_normed_by(*y, *x)) return {normal_of(*x->hidden)};
    if (x->has(Form::kIntegerProduct) && y->has(Form::kScale)) {
      return {dequantized_product(importer, step, *x->hidden, *y->hidden)};
    }
  }
  if (a.has(Form::kScale) && b.has(Form::kScale)) {
    const ImportValue scale = product_of_scales(*a.hidden, *b.hidden);
    if (scale.absent()) refuse_pair(step);
    return {scale};
  }
  if (is_square(a, b)) return {in_form(*a.hidden, Form::kCenteredSquare)};
  end_factor(importer, step, a, b);
  if (const ImportValue result = combined(a, b, product_of); !result.absent()) {
    return {result};
  }
  if (a.known != nullptr) return {multiply_known(importer, step, step.hidden(1), *a.known)};
  if (b.known != nullptr) return {multiply_known(importer, step, step.hidden(0), *b.known)};
  if (!a.has(Form::kRows) || !b.has(Form::kRows)) refuse_pair(step);
  check_spread(importer, step, *a.hidden, *b.hidden);
  const ValueId left = importer.emit_rows(step, *a.hidden);
  const ValueId right = importer.emit_rows(step, *b.hidden);
  return {importer.rows(importer.emit(step, OpKind::kMul, {left, right}), a.hidden->layout)};
}

std::vector<ImportValue> import_pow(Importer& importer, const Step& step) {
  const ImportValue& a = step.input(0);
  const ImportValue& b = step.input(1);
  const bool squared = b.known != nullptr && b.known->scalar() == 2.0;
  if (a.has(Form::kCentered) && squared) return {in_form(*a.hidden, Form::kCenteredSquare)};
  const auto power = b.known != nullptr ? b.known->scalar() : std::nullopt;
  if (a.has(Form::kMeanSquare) && power == -0.5) return {in_form(*a.hidden, Form::kInverseRoot)};
  if (a.has(Form::kMeanSquare) && power == 0.5) return {in_form(*a.hidden, Form::kRootMeanSquare)};
  if (squared) end_factor(importer, step, a, a);
  const ImportValue result = combined(a, b, [](double x, double y) { return std::pow(x, y); });
  if (result.absent()) refuse_pair(step);
  return {result};
}

std::vector<ImportValue> import_sqrt(Importer&, const Step& step) {
  const ImportValue& x = step.input(0);
  if (x.has(Form::kVariance)) return {in_form(*x.hidden, Form::kDeviation)};
  if (x.has(Form::kMeanSquare)) return {in_form(*x.hidden, Form::kRootMeanSquare)};
  if (x.has(Form::kRows) && x.hidden->function) {
    return {with_function(*x.hidden, [](double y) { return std::sqrt(y); })};
  }
  step.op.refuse("the root of hidden states; that of a variance is expected");
}

std::vector<ImportValue> import_div(Importer& importer, const Step& step) {
  const ImportValue& a = step.input(0);
  const ImportValue& b = step.input(1);
  if (const ImportValue result = scaled(a, b, true); !result.absent()) return {result};
  if (a.has(Form::kWeighted) && b.known != nullptr) {
    return {reweighted_rows(importer, step, *a.hidden, *b.known, quotient_of)};
  }
  if (b.has(Form::kRootMeanSquare)) return {divided_by_root(step, a, b)};
  if (a.has(Form::kCentered) && b.has(Form::kDeviation) && same_columns(*a.hidden, *b.hidden)) {
    return {in_form(*b.hidden, Form::kNormal)};
  }
  if (a.has(Form::kTokenSum) && b.known != nullptr) {
    return {rescaled_sum(importer, step, *a.hidden, *b.known, quotient_of)};
  }
  if (are_lengths_of(b, a)) return {in_form(*a.hidden, Form::kUnitLength)};
  const ImportValue result = combined(a, b, quotient_of);
  if (result.absent()) refuse_pair(step);
  return {result};
}

std::vector<ImportValue> import_reciprocal(Importer&, const Step& step) {
  const ImportValue& x = step.input(0);
  if (x.has(Form::kRootMeanSquare)) return {in_form(*x.hidden, Form::kInverseRoot)};
  if (!x.has(Form::kRows)) refuse_pair(step);
  return {with_function(*x.hidden, [](double value) { return 1 / value; })};
}

}  // namespace tamis::onnx
