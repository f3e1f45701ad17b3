// LayerNormalization, whole and in steps, and lengths of rows.
#include "formats/stored_tensor.h"
#include "onnx/importer.h"

namespace tamis::onnx {

using graph::OpKind;
using graph::ValueId;

namespace {

bool is_columns(const Hidden& x, size_t axis) {
  return axis + 1 == x.layout.rank() && x.layout.is_rows(x.columns);
}

void check_last_axis(const Step& step, const Hidden& x) {
  const size_t axis = axis_of(step.op.integer("axis", -1), x.layout.rank());
  if (is_columns(x, axis)) return;
  step.op.refuse("axis ", axis, "; the last, of rows of hidden states, is expected");
}

// Whether each element is the square of a column.
bool is_square_of(const Hidden& x) {
  if (!x.function) return false;
  for (const double value : {-3.0, -0.5, 0.0, 1.0, 7.0}) {
    if (x.function(value) != value * value) return false;
  }
  return true;
}

// Parts of each row that its last axis goes over: all of it, or each head; 0: something else.
int64_t parts_of_rows(const Hidden& x) {
  if (x.layout.is_rows(x.columns)) return 1;
  const AtomGroup& last = x.layout[x.layout.rank() - 1];
  const bool heads = last.size() == 1 && last[0].axis == Axis::kColumn && last[0].stride == 1 &&
                     x.columns % last[0].size == 0;
  return heads ? x.columns / last[0].size : 0;
}

// Of squares, over the columns of each row or head.
ImportValue mean_square(const Step& step, const Hidden& squares) {
  const size_t axis = reduced_axis(step, squares);
  ImportValue result = in_form(squares, Form::kMeanSquare);
  result.hidden->function = nullptr;
  result.hidden->heads = parts_of_rows(squares);
  if (axis + 1 != squares.layout.rank() || result.hidden->heads == 0 ||
      step.op.integer("keepdims", 1) != 1) {
    step.op.refuse("a mean of squares that is not over the columns of each row with keepdims");
  }
  return result;
}

// The parameter, or ones if it is absent.
ValueId norm_weight(Importer& importer, const Step& step, const Known* known, int64_t n) {
  if (known != nullptr) return importer.vector(step, *known, n);
  const std::vector<float> ones(static_cast<size_t>(n), 1.0f);
  return importer.constant(cat("ones_", n), Shape{n}, ones);
}

}  // namespace

size_t reduced_axis(const Step& step, const Hidden& x) {
  Inputs inputs(step.inputs.size(), nullptr);
  if (step.has(1) && !step.known(1).is_constant()) step.op.refuse("axes that depend on the batch");
  if (step.has(1)) inputs[1] = &step.known(1).at(0);
  const std::vector<int64_t> axes = axes_of(step.op, inputs, 1);
  if (axes.size() != 1) step.op.refuse(axes.size(), " axes; one is expected");
  return axis_of(axes[0], x.layout.rank());
}

Layout reduced_layout(const Step& step, const Layout& layout, size_t axis) {
  const bool kept = step.op.integer("keepdims", 1) != 0;
  return kept ? layout.with_axis(axis, {}) : layout.without_axis(axis);
}

ImportValue make_norm(Importer& importer, const Step& step, Hidden& x, const Known* gamma,
                      const Known* beta, double epsilon) {
  if (!(epsilon >= 0 && epsilon < 1)) step.op.refuse("an epsilon of ", epsilon);
  const ValueId from = importer.emit_rows(step, x);
  std::vector<ValueId> inputs = {from, norm_weight(importer, step, gamma, x.columns)};
  if (beta != nullptr) inputs.push_back(importer.vector(step, *beta, x.columns));
  const graph::LayerNormAttributes attributes{static_cast<float>(epsilon)};
  return importer.rows(
      importer.emit(step, OpKind::kLayerNormalization, std::move(inputs), attributes), x.layout);
}

ImportValue make_rms_norm(Importer& importer, const Step& step, const Hidden& x, const Known* gamma,
                          double epsilon) {
  if (!(epsilon >= 0 && epsilon < 1)) step.op.refuse("an epsilon of ", epsilon);
  const ValueId from = importer.emit_columns(step, x);
  const ValueId by = norm_weight(importer, step, gamma, x.columns / x.heads);
  graph::RmsNormAttributes attributes{static_cast<float>(epsilon)};
  attributes.heads = x.heads;
  return importer.rows(importer.emit(step, OpKind::kRMSNormalization, {from, by}, attributes),
                       x.layout);
}

std::vector<ImportValue> import_mean(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  const bool square = x.has(Form::kCenteredSquare);
  if (!square && !x.ends_as_rows()) {
    step.op.refuse("a mean of something that is no hidden state");
  }
  Hidden& rows = *x.hidden;
  if (!square && is_square_of(rows)) return {mean_square(step, rows)};
  if (!is_columns(rows, reduced_axis(step, rows)) || step.op.integer("keepdims", 1) != 1) {
    step.op.refuse("a mean that is not over the columns of each row with keepdims");
  }
  if (square) return {in_form(rows, Form::kVariance)};
  importer.emit_rows(step, rows);
  return {in_form(rows, Form::kMean)};
}

std::vector<ImportValue> import_length(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  if (!x.has(Form::kRows)) step.op.refuse("a length of something that is no hidden state");
  const size_t axis = reduced_axis(step, *x.hidden);
  if (!is_columns(*x.hidden, axis)) step.op.refuse("a length that is not that of each row");
  importer.emit_rows(step, *x.hidden);
  ImportValue length = in_form(*x.hidden, Form::kLength);
  length.hidden->layout = reduced_layout(step, x.hidden->layout, axis);
  return {length};
}

std::vector<ImportValue> import_unit_length(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  if (!x.has(Form::kRows) || step.op.integer("p", 2) != 2) {
    step.op.refuse("a norm that is not L2 of hidden states");
  }
  check_last_axis(step, *x.hidden);
  importer.emit_rows(step, *x.hidden);
  return {in_form(*x.hidden, Form::kUnitLength)};
}

std::vector<ImportValue> import_layer_norm(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  if (!x.ends_as_rows()) step.op.refuse("a norm of something that is no hidden state");
  check_last_axis(step, *x.hidden);
  return {make_norm(importer, step, *x.hidden, &step.known(1),
                    step.has(2) ? &step.known(2) : nullptr, step.op.number("epsilon", 1e-5))};
}

// Of centered rows, as ONNX Runtime spells a LayerNormalization without a bias, it is that.
std::vector<ImportValue> import_rms_norm(Importer& importer, const Step& step) {
  const ImportValue& x = step.input(0);
  const double epsilon = step.op.number("epsilon", 1e-5);
  if (x.has(Form::kCentered)) {
    check_last_axis(step, *x.hidden);
    Hidden rows = *x.hidden;
    rows.form = Form::kRows;
    return {make_norm(importer, step, rows, &step.known(1), nullptr, epsilon)};
  }
  if (!x.ends_as_rows()) step.op.refuse("a norm of something that is no hidden state");
  importer.end_steps(step, *x.hidden);
  importer.end_function(step, *x.hidden);
  Hidden rows = *x.hidden;
  rows.heads = parts_of_rows(rows);
  const size_t axis = axis_of(step.op.integer("axis", -1), rows.layout.rank());
  if (rows.heads == 0 || axis + 1 != rows.layout.rank()) {
    step.op.refuse("axis ", axis, "; the last, of rows of hidden states, is expected");
  }
  return {make_rms_norm(importer, step, rows, &step.known(1), epsilon)};
}

std::vector<ImportValue> import_skip_rms_norm(Importer& importer, const Step& step) {
  ImportValue x = step.input(0);
  const ImportValue& skip = step.input(1);
  if (!x.has(Form::kRows) || !skip.has(Form::kRows)) {
    step.op.refuse("a norm of something that is no hidden state");
  }
  if (step.has(3)) x = importer.add_bias(step, *x.hidden, step.known(3));
  const ImportValue sum = make_sum(importer, step, *x.hidden, *skip.hidden);
  Hidden rows = *sum.hidden;
  return {make_rms_norm(importer, step, rows, &step.known(2), step.op.number("epsilon", 1e-5)),
          {},
          {},
          sum};
}

std::vector<ImportValue> import_skip_layer_norm(Importer& importer, const Step& step) {
  ImportValue x = step.input(0);
  const ImportValue& skip = step.input(1);
  if (!x.has(Form::kRows) || !skip.has(Form::kRows)) {
    step.op.refuse("a norm of something that is no hidden state");
  }
  if (step.has(4)) x = importer.add_bias(step, *x.hidden, step.known(4));
  const ImportValue sum = make_sum(importer, step, *x.hidden, *skip.hidden);
  const ImportValue y =
      make_norm(importer, step, *sum.hidden, &step.known(2), step.has(3) ? &step.known(3) : nullptr,
                step.op.number("epsilon", 1e-12));
  return {y, {}, {}, sum};
}

}  // namespace tamis::onnx
