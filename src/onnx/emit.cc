// What handlers emit into the graph under construction.
#include <algorithm>

#include "onnx/importer.h"
#include "onnx/rules/dropout_rule.h"

namespace tamis::onnx {

using graph::Operand;
using graph::OpKind;
using graph::ValueId;

namespace {

ImportCache::Key key_of(const Known& known) { return {known.id(), known.is_turned()}; }

void multiply_plainly(const ConstantProduct& p) {
  for (int64_t i = 0; i < p.m; ++i) {
    for (int64_t j = 0; j < p.n; ++j) {
      double sum = 0;
      for (int64_t c = 0; c < p.k; ++c) sum += double{p.x[i * p.k + c]} * p.w[j * p.k + c];
      p.y[i * p.n + j] = static_cast<float>(sum);
    }
  }
}

// Rows of a matrix, or elements of a vector.
std::shared_ptr<const Tensor> picked_rows(const Tensor& whole, const ColumnPick& pick) {
  if (pick.every == 0) {
    return std::make_shared<const Tensor>(whole.rows(pick.first, pick.first + pick.count));
  }
  const int64_t blocks = whole.shape()[0] / pick.every;
  const int64_t width = whole.shape().rank() == 1 ? 1 : whole.shape()[1];
  const auto from = whole.as<float>();
  std::vector<float> rows;
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t first = (block * pick.every + pick.first) * width;
    rows.insert(rows.end(), from.begin() + first, from.begin() + first + pick.count * width);
  }
  const Shape shape =
      whole.shape().rank() == 1 ? Shape{blocks * pick.count} : Shape{blocks * pick.count, width};
  return std::make_shared<const Tensor>(Tensor::from(shape, std::span<const float>(rows)));
}

}  // namespace

std::string Importer::scope_of(const Step& step) {
  const NodeProto& node = step.op.node();
  const std::string module = module_of_path(node.name);
  return module.empty() && !node.outputs.empty() ? module_of_path(node.outputs[0]) : module;
}

ImportValue Importer::rows(ValueId value, Layout layout) const {
  auto hidden = std::make_shared<Hidden>();
  hidden->value = value;
  hidden->layout = std::move(layout);
  hidden->columns = graph_.value(value).shape[1].size;
  return {nullptr, std::move(hidden)};
}

ValueId Importer::emit(const Step& step, OpKind op, std::vector<ValueId> inputs,
                       graph::Attributes attributes) {
  return graph_.add_node(op, std::move(inputs), std::move(attributes), scope_of(step));
}

std::shared_ptr<const Tensor> Importer::floats(const Step& step, const Known& known, bool turn) {
  // A constant turned by the file and turned again here lies as it is stored.
  const ImportCache::Key key(known.id(), turn != known.is_turned());
  std::shared_ptr<const Tensor>& tensor = cache_.tensors[key];
  if (tensor == nullptr) tensor = float_tensor(known, turn, step.op.label());
  return tensor;
}

std::shared_ptr<const Known> Importer::dequantized(const Step& step, const Known& integers,
                                                   const Known& scale, const Known* zero,
                                                   const ScaleAxis& axis) {
  std::vector<ImportCache::Key> parts = {key_of(integers), key_of(scale)};
  if (zero != nullptr) parts.push_back(key_of(*zero));
  std::shared_ptr<const Known>& known =
      cache_.dequantized[{{std::move(parts), axis.axis}, axis.block}];
  if (known == nullptr) {
    known = onnx::dequantized(integers, scale, zero, axis, step.op.label());
  }
  return known;
}

std::shared_ptr<const Known> Importer::unpacked(
    std::span<const ImportValue> parts, const std::function<std::shared_ptr<const Known>()>& make) {
  ImportCache::Parts key;
  for (const ImportValue& part : parts) {
    if (part.known != nullptr) key.first.push_back(key_of(*part.known));
  }
  std::shared_ptr<const Known>& known = cache_.unpacked[std::move(key)];
  if (known == nullptr) known = make();
  return known;
}

std::shared_ptr<const Known> Importer::product(const Step& step, const Known& x,
                                               const Known& weight, bool turn) {
  const ImportCache::Key key(weight.id(), turn != weight.is_turned());
  std::shared_ptr<const Known>& known = cache_.products[{{key_of(x), key}, 0}];
  if (known != nullptr) return known;
  const std::shared_ptr<const Tensor> matrix = floats(step, weight, turn);
  Dims dims = x.dims();
  const int64_t n = matrix->shape()[0];
  const int64_t k = matrix->shape()[1];
  if (dims.empty() || dims.back() != k) step.op.refuse("a product of rows of other sizes");
  const Array& rows = x.at(0);
  const std::vector<float> from(rows.data->begin(), rows.data->end());
  const int64_t m = k == 0 ? 0 : rows.elements() / k;
  std::vector<float> to(static_cast<size_t>(count_of(std::array{m, n})));
  const ConstantProduct operands = {m, n, k, from.data(), matrix->as<float>().data(), to.data()};
  options_.multiply ? options_.multiply(operands) : multiply_plainly(operands);
  dims.back() = n;
  known = computed_constant(cat(weight.name(), ".rows"), std::move(dims), std::move(to));
  return known;
}

std::shared_ptr<const Known> Importer::integer_bias(const Known& integers, const Known& x_scale,
                                                    const Known& weight_scale) {
  std::shared_ptr<const Known>& known =
      cache_.integer_biases[{{key_of(integers), key_of(x_scale), key_of(weight_scale)}, 0}];
  if (known != nullptr) return known;
  const auto times = [](double a, double b) { return a * b; };
  const Array scale = combine(x_scale.at(0), weight_scale.at(0), ElementType::kFloat, times);
  const Array bias = combine(integers.at(0), scale, ElementType::kFloat, times);
  known = computed_constant(integers.name(), bias.dims, {bias.data->begin(), bias.data->end()});
  return known;
}

ValueId Importer::weight(const Step& step, const Known& known, bool turn) {
  if (!known.is_constant() || known.dims().size() != 2) {
    step.op.refuse("\"", known.name(), "\" is no constant matrix");
  }
  const ImportCache::Key key(known.id(), turn != known.is_turned());
  const auto found = constants_.find(key);
  if (found != constants_.end()) return found->second;
  const ValueId id = graph_.add_constant(known.name(), floats(step, known, turn));
  constants_.emplace(key, id);
  return id;
}

ValueId Importer::vector(const Step& step, const Known& known, int64_t n) {
  const auto size = known.vector_size();
  if (size != n) {
    step.op.refuse("\"", known.name(), "\" is no constant vector of ", n);
  }
  const ImportCache::Key key(known.id(), false);
  const auto found = constants_.find(key);
  if (found != constants_.end()) return found->second;
  std::shared_ptr<const Tensor> tensor = floats(step, known, false);
  if (tensor->shape() != Shape{n}) {
    tensor = std::make_shared<const Tensor>(
        TensorView(DType::kF32, Shape{n}, tensor->view().data()), tensor);
  }
  const ValueId id = graph_.add_constant(known.name(), tensor);
  constants_.emplace(key, id);
  return id;
}

ValueId Importer::constant(std::string_view name, const Shape& shape,
                           std::span<const float> values) {
  // Others of the name but not of the values are other constants.
  for (int number = 1;; ++number) {
    const std::string key = number == 1 ? std::string(name) : cat(name, "_", number);
    const auto found = own_constants_.find(key);
    if (found == own_constants_.end()) {
      const ValueId id =
          graph_.add_constant(key, std::make_shared<const Tensor>(Tensor::from(shape, values)));
      own_constants_.emplace(key, id);
      return id;
    }
    const Tensor& tensor = *graph_.value(found->second).constant;
    if (tensor.shape() == shape && std::ranges::equal(tensor.as<float>(), values)) {
      return found->second;
    }
  }
}

std::string Importer::unused_name(std::string_view wanted) {
  std::string name(wanted);
  for (int number = 2; !made_.insert(name).second; ++number) name = cat(wanted, "_", number);
  return name;
}

// Those rows of the weight and bias that made `hidden.value`.
ValueId Importer::picked_columns(const Step& step, const Hidden& hidden, const ColumnPick& pick) {
  const auto cut = [&](ValueId id) {
    const graph::Value& whole = graph_.value(id);
    return graph_.add_constant(cat(whole.name, ".", pick.first),
                               picked_rows(*whole.constant, pick));
  };
  const int at = graph_.producer(hidden.value);
  if (at < 0) step.op.refuse("columns of something that is no linear layer");
  const graph::Node node = graph_.nodes()[static_cast<size_t>(at)];
  if (node.op == OpKind::kMatMul) {
    return graph_.add_node(OpKind::kMatMul,
                           {node.operand(Operand::kX), cut(node.operand(Operand::kWeight))},
                           graph::MatMulAttributes{}, node.scope);
  }
  const ValueId added = node.operand(Operand::kY);
  const bool bias =
      node.op == OpKind::kAdd && graph_.is_constant(added) && graph_.value(added).shape.rank() == 1;
  if (!bias) step.op.refuse("columns of something that is no linear layer");
  Hidden product = hidden;
  product.value = node.operand(Operand::kX);
  const ValueId x = picked_columns(step, product, pick);
  return graph_.add_node(OpKind::kAdd, {x, cut(added)}, graph::NoAttributes{}, node.scope);
}

ValueId Importer::emit_columns(const Step& step, const Hidden& hidden) {
  if (hidden.form != Form::kRows) {
    step.op.refuse(
        "rows of hidden states are expected, not a step of a norm, an attention or a "
        "quantization");
  }
  const int64_t width = graph_.value(hidden.value).shape[1].size;
  if (hidden.first_column == 0 && hidden.columns == width) return hidden.value;
  return cut(step, hidden, {hidden.first_column, hidden.columns, 0});
}

ValueId Importer::emit_parts_of_heads(const Step& step, const Hidden& hidden,
                                      const ColumnPick& pick) {
  const bool whole = hidden.form == Form::kRows && hidden.first_column == 0 &&
                     hidden.columns == graph_.value(hidden.value).shape[1].size;
  if (!whole || hidden.function) step.op.refuse("a part of each head of a part of columns");
  return cut(step, hidden, pick);
}

ValueId Importer::cut(const Step& step, const Hidden& hidden, const ColumnPick& pick) {
  const auto key = std::array{int64_t{hidden.value}, pick.first, pick.count, pick.every};
  const auto found = cuts_.find(key);
  if (found != cuts_.end()) return found->second;
  const ValueId part = picked_columns(step, hidden, pick);
  cuts_.emplace(key, part);
  return part;
}

// A norm without beta, and rows over their length, end where they are read.
void Importer::end_steps(const Step& step, Hidden& hidden) {
  Hidden from = hidden;
  from.form = Form::kRows;
  if (hidden.form == Form::kNormal && hidden.is_rms) {
    hidden = *make_rms_norm(*this, step, from, hidden.known.get(), hidden.epsilon).hidden;
  } else if (hidden.form == Form::kNormal) {
    hidden = *make_norm(*this, step, from, hidden.known.get(), nullptr, hidden.epsilon).hidden;
  } else if (hidden.form == Form::kWeighted) {
    const auto rule = dropout_rule(hidden.known->all(), probes_);
    if (!rule) {
      step.op.refuse("hidden states times a number for each token, which is no token dropout");
    }
    from.known = nullptr;
    const ValueId value =
        emit(step, OpKind::kTokenDropout, {emit_rows(step, from), input_ids_}, *rule);
    hidden = *rows(value, hidden.layout).hidden;
  } else if (hidden.form == Form::kUnitLength) {
    const ValueId value = emit(step, OpKind::kTokenNormalize, {emit_rows(step, from)});
    hidden = *rows(value, hidden.layout).hidden;
  }
}

ValueId Importer::emit_rows(const Step& step, Hidden& hidden) {
  end_steps(step, hidden);
  if (!hidden.layout.is_rows(hidden.columns)) {
    (void)emit_columns(step, hidden);
    step.op.refuse("a tensor that is not [batch, sequence, hidden] is read as rows");
  }
  end_function(step, hidden);
  return hidden.value;
}

ValueId Importer::emit_each_row(const Step& step, Hidden& hidden) {
  end_steps(step, hidden);
  if (!hidden.layout.has_whole_rows(hidden.columns)) return emit_rows(step, hidden);
  end_function(step, hidden);
  return hidden.value;
}

void Importer::end_function(const Step& step, Hidden& hidden) {
  ValueId value = emit_columns(step, hidden);
  if (hidden.function) {
    if (const auto activation = activation_of(hidden.function, tolerance())) {
      value = emit(step, OpKind::kActivation, {value}, graph::ActivationAttributes{*activation});
    } else if (const auto factor = linear_factor(hidden.function)) {
      const auto narrow = static_cast<float>(*factor);
      const ValueId scalar = constant(cat("factor_", narrow), Shape{}, {&narrow, 1});
      value = emit(step, OpKind::kMul, {value, scalar});
    } else {
      step.op.refuse("a function of hidden states that is no activation; accepted are ",
                     known_activations(), " and factors");
    }
  }
  // Whoever reads it next finds what was emitted.
  hidden.value = value;
  hidden.first_column = 0;
  hidden.function = nullptr;
}

ImportValue Importer::linear(const Step& step, Hidden& x, const Known& weight_known, bool turn) {
  const ValueId from = emit_each_row(step, x);
  const ValueId matrix = weight(step, weight_known, turn);
  const ValueId product = emit(step, OpKind::kMatMul, {from, matrix}, graph::MatMulAttributes{});
  const int64_t n = graph_.value(product).shape[1].size;
  return rows(product, x.layout.with_columns(x.layout.rank() - 1, n));
}

ImportValue Importer::add_bias(const Step& step, Hidden& x, const Known& bias) {
  const ValueId from = emit_each_row(step, x);
  if (bias.dims().size() > x.layout.rank()) step.op.refuse("a bias of more axes than its rows");
  const ValueId added = vector(step, bias, x.columns);
  return rows(emit(step, OpKind::kAdd, {from, added}), x.layout);
}

}  // namespace tamis::onnx
