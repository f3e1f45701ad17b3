// What handlers emit into the graph under construction.
#include <algorithm>

#include "onnx/importer.h"

namespace tamis::onnx {

using graph::kNoValue;
using graph::Operand;
using graph::OpKind;
using graph::ValueId;

namespace {

std::string scope_of(const Step& step) {
  const NodeProto& node = step.op.node();
  const std::string module = module_of_path(node.name);
  return module.empty() && !node.outputs.empty() ? module_of_path(node.outputs[0]) : module;
}

}  // namespace

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
  const auto key = std::pair(known.name(), turn != known.is_turned());
  std::shared_ptr<const Tensor>& tensor = cache_.tensors[key];
  if (tensor == nullptr) tensor = float_tensor(known, turn, step.op.label());
  return tensor;
}

std::shared_ptr<const Known> Importer::dequantized(const Step& step, const Known& integers,
                                                   const Known& scale, const Known* zero,
                                                   int64_t axis) {
  const std::string name = cat(integers.name(), integers.is_turned() ? " turned" : "", "*",
                               scale.name(), "-", zero == nullptr ? "" : zero->name(), "@", axis);
  std::shared_ptr<const Known>& known = cache_.dequantized[name];
  if (known == nullptr) {
    known = onnx::dequantized(name, integers, scale, zero, axis, step.op.label());
  }
  return known;
}

ValueId Importer::weight(const Step& step, const Known& known, bool turn) {
  if (!known.is_constant() || known.dims().size() != 2) {
    step.op.refuse("\"", known.name(), "\" is no constant matrix");
  }
  const auto key = std::pair(known.name(), turn != known.is_turned());
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
  const auto key = std::pair(known.name(), false);
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

// Rows [first, first + n) of the weight and bias that made `hidden.value`.
ValueId Importer::cut_columns(const Step& step, const Hidden& hidden) {
  const auto cut = [&](ValueId id) {
    const graph::Value& whole = graph_.value(id);
    auto part = std::make_shared<const Tensor>(
        whole.constant->rows(hidden.first_column, hidden.first_column + hidden.columns));
    return graph_.add_constant(cat(whole.name, ".", hidden.first_column), part);
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
  const ValueId x = cut_columns(step, product);
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
  const auto key = std::array{int64_t{hidden.value}, hidden.first_column, hidden.columns};
  const auto found = cuts_.find(key);
  if (found != cuts_.end()) return found->second;
  const ValueId part = cut_columns(step, hidden);
  cuts_.emplace(key, part);
  return part;
}

// A norm without beta, and rows over their length, end where they are read.
void Importer::end_steps(const Step& step, Hidden& hidden) {
  Hidden from = hidden;
  from.form = Form::kRows;
  if (hidden.form == Form::kNormal) {
    hidden = *make_norm(*this, step, from, hidden.known.get(), nullptr, hidden.epsilon).hidden;
  } else if (hidden.form == Form::kUnitLength) {
    const ValueId value = emit(step, OpKind::kTokenNormalize, {emit_rows(step, from)});
    hidden = *rows(value, hidden.layout).hidden;
  }
}

ValueId Importer::emit_rows(const Step& step, Hidden& hidden) {
  end_steps(step, hidden);
  ValueId value = emit_columns(step, hidden);
  if (!hidden.layout.is_rows(hidden.columns)) {
    step.op.refuse("a tensor that is not [batch, sequence, hidden] is read as rows");
  }
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
  return value;
}

ImportValue Importer::linear(const Step& step, Hidden& x, const Known& weight_known, bool turn) {
  const ValueId from = emit_rows(step, x);
  const ValueId matrix = weight(step, weight_known, turn);
  const ValueId product = emit(step, OpKind::kMatMul, {from, matrix}, graph::MatMulAttributes{});
  const int64_t n = graph_.value(product).shape[1].size;
  return rows(product, x.layout.with_columns(x.layout.rank() - 1, n));
}

ImportValue Importer::add_bias(const Step& step, Hidden& x, const Known& bias) {
  const ValueId from = emit_rows(step, x);
  if (bias.dims().size() > x.layout.rank()) step.op.refuse("a bias of more axes than its rows");
  const ValueId added = vector(step, bias, x.columns);
  return rows(emit(step, OpKind::kAdd, {from, added}), x.layout);
}

}  // namespace tamis::onnx
