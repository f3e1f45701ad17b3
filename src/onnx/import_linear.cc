// Linear layers, and the products of attention, which are MatMul too.
#include "onnx/import_positions.h"

namespace tamis::onnx {

namespace {

// A table that queries or keys are multiplied with, its places last.
ImportValue table_operand(const ImportValue& b, bool turned) {
  const bool constant = b.known != nullptr && b.known->is_constant() && b.known->dims().size() > 2;
  const ImportValue table = constant ? as_table(b.known) : b;
  if (!table.has(Form::kTable) || !turned) return table.has(Form::kTable) ? table : ImportValue{};
  ImportValue result = in_form(*table.hidden, Form::kTable);
  std::vector<int64_t> perm;
  const auto rank = static_cast<int64_t>(table.hidden->layout.rank());
  for (int64_t i = 0; i + 2 < rank; ++i) perm.push_back(i);
  perm.insert(perm.end(), {rank - 1, rank - 2});
  result.hidden->layout = table.hidden->layout.transposed(perm);
  return result;
}

// A product with a factor in front, which only attention has.
std::vector<ImportValue> product(Importer& importer, const Step& step, bool keys_turned,
                                 double factor) {
  const ImportValue& a = step.input(0);
  const ImportValue& b = step.input(1);
  if (a.hidden == nullptr) step.op.refuse("a constant times hidden states");
  for (const ImportValue* value : {&a, &b}) {
    const bool norm = value->has(Form::kNormal) && value->hidden->is_rms;
    if (norm) importer.end_steps(step, *value->hidden);
  }
  if (a.has(Form::kTable)) {
    if (factor != 1) step.op.refuse("a factor of ", factor, " on a table of positions");
    return {projected_table(importer, step, *a.hidden, step.known(1), !keys_turned)};
  }
  if (const ImportValue table = table_operand(b, keys_turned); !table.absent()) {
    return {position_product(importer, step, *a.hidden, *table.hidden, factor)};
  }
  if (b.known != nullptr) {
    if (factor != 1) step.op.refuse("a factor of ", factor, " on a linear layer");
    return {importer.linear(step, *a.hidden, *b.known, !keys_turned)};
  }
  if (a.has(Form::kProbabilities)) {
    if (factor != 1 || keys_turned) step.op.refuse("probabilities times transposed values");
    return {make_context(importer, step, *a.hidden, *b.hidden)};
  }
  return {make_scores(importer, step, *a.hidden, *b.hidden, keys_turned, factor)};
}

void check_gemm(const Step& step) {
  if (step.op.number("alpha", 1) != 1 || step.op.number("beta", 1) != 1 ||
      step.op.integer("transA", 0) != 0) {
    step.op.refuse("alpha, beta or transA; 1, 1 and 0 are accepted");
  }
}

}  // namespace

std::vector<ImportValue> import_matmul(Importer& importer, const Step& step) {
  return product(importer, step, false, 1);
}

std::vector<ImportValue> import_turned_matmul(Importer& importer, const Step& step) {
  return product(importer, step, true, 1);
}

std::vector<ImportValue> import_fused_matmul(Importer& importer, const Step& step) {
  for (const std::string_view attribute : {"transA", "transBatchA", "transBatchB"}) {
    if (step.op.integer(attribute, 0) != 0) step.op.refuse(attribute, " is set");
  }
  return product(importer, step, step.op.integer("transB", 0) != 0, step.op.number("alpha", 1));
}

// Rows [n_out, width * n] of a weight [n_out, n, width]: each token beside its neighbors.
std::shared_ptr<const Known> unfolded(const Known& weight) {
  const Array& from = weight.at(0);
  const int64_t n = from.dims[1];
  const int64_t width = from.dims[2];
  std::vector<float> rows(from.data->size());
  for (int64_t i = 0; i < from.elements(); ++i) {
    const int64_t to = i / (n * width) * n * width + i % width * n + i / width % n;
    rows[static_cast<size_t>(to)] = static_cast<float>(from[i]);
  }
  return computed_constant(weight.name(), {from.dims[0], n * width}, std::move(rows));
}

void check_convolution(const Step& step, const Hidden& x, const Known& weight) {
  const Layout wanted({{{Axis::kSequence}}, {{Axis::kColumn, x.columns, 1}}, {{Axis::kToken}}});
  const bool rows = x.form == Form::kRows && x.layout == wanted && x.padding == Padding::kZero;
  const Dims dims = weight.is_constant() ? weight.dims() : Dims{};
  const int64_t width = dims.size() == 3 ? dims[2] : 0;
  const auto is = [&](std::string_view attribute, const std::vector<int64_t>& value) {
    const std::vector<int64_t> got = step.op.integers(attribute);
    return got.empty() || got == value;
  };
  const bool around = width % 2 == 1 && dims[1] == x.columns &&
                      step.op.integers("pads") == std::vector<int64_t>(2, width / 2) &&
                      is("strides", {1}) && is("dilations", {1}) &&
                      step.op.integer("group", 1) == 1;
  if (rows && around) return;
  step.op.refuse(
      "a convolution that is not of masked hidden states [batch, hidden, tokens] over each token "
      "and as many neighbors on either side");
}

std::vector<ImportValue> import_convolution(Importer& importer, const Step& step) {
  Hidden& x = step.hidden(0);
  const Known& weight = step.known(1);
  check_convolution(step, x, weight);
  Hidden rows = x;
  rows.layout = Layout::rows(x.columns);
  const graph::ValueId from = importer.emit_rows(step, rows);
  const graph::ValueId around = importer.emit(step, graph::OpKind::kUnfold, {from},
                                              graph::UnfoldAttributes{weight.dims()[2]});
  ImportValue wide = importer.rows(around, Layout::rows(weight.dims()[2] * x.columns));
  ImportValue y = importer.linear(step, *wide.hidden, *unfolded(weight), false);
  if (step.has(2)) y = importer.add_bias(step, *y.hidden, step.known(2));
  y.hidden->layout = y.hidden->layout.transposed(std::vector<int64_t>{0, 2, 1});
  return {y};
}

std::vector<ImportValue> import_gemm(Importer& importer, const Step& step) {
  check_gemm(step);
  const ImportValue& x = step.input(0);
  if (x.hidden == nullptr) step.op.refuse("a constant times hidden states");
  ImportValue y =
      importer.linear(step, *x.hidden, step.known(1), step.op.integer("transB", 0) == 0);
  if (step.has(2)) y = importer.add_bias(step, *y.hidden, step.known(2));
  return {y};
}

std::vector<ImportValue> import_fused_gemm(Importer& importer, const Step& step) {
  const ImportValue y = import_gemm(importer, step)[0];
  const std::string name = step.op.text("activation", "");
  struct Row {
    std::string_view name;
    Activation activation;
  };
  constexpr Row kRows[] = {
      {"Relu", Activation::kRelu}, {"Tanh", Activation::kTanh}, {"Sigmoid", Activation::kSigmoid}};
  for (const Row& row : kRows) {
    if (row.name != name) continue;
    const graph::ValueId value =
        importer.emit(step, graph::OpKind::kActivation, {importer.emit_rows(step, *y.hidden)},
                      graph::ActivationAttributes{row.activation});
    return {importer.rows(value, y.hidden->layout)};
  }
  step.op.refuse("activation \"", name, "\"; accepted are Relu, Tanh and Sigmoid");
}

}  // namespace tamis::onnx
