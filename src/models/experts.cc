#include "models/experts.h"

#include "base/error.h"

namespace tamis::models {

using graph::OpKind;
using graph::ValueId;

namespace {

constexpr int64_t kMostExperts = 1024;

// Each expert's rows [rows, columns] as [columns, rows].
template <typename Element>
void transpose_each(const Tensor& from, int64_t experts, Tensor& to) {
  const int64_t rows = from.shape()[0] / experts;
  const int64_t columns = from.shape()[1];
  const auto x = from.as<Element>();
  const auto y = to.mutable_as<Element>();
  for (int64_t e = 0; e < experts; ++e) {
    const int64_t first = e * rows * columns;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        y[static_cast<size_t>(first + j * rows + i)] =
            x[static_cast<size_t>(first + i * columns + j)];
      }
    }
  }
}

std::shared_ptr<const Tensor> transposed(const Tensor& weight, int64_t experts) {
  const int64_t rows = weight.shape()[0] / experts;
  Tensor out(weight.dtype(), Shape{experts * weight.shape()[1], rows});
  if (weight.dtype() == DType::kF32) {
    transpose_each<float>(weight, experts, out);
  } else {
    transpose_each<uint16_t>(weight, experts, out);
  }
  return std::make_shared<const Tensor>(std::move(out));
}

// One of the two products of the experts that `routes` names.
ValueId product(Builder& b, ValueId x, ValueId weight, ValueId routes,
                const graph::ExpertMatMulAttributes& fields, const std::string& scope) {
  return b.graph().add_node(OpKind::kExpertMatMul, {x, weight, routes}, fields, scope);
}

}  // namespace

Experts read_experts(const ConfigFields& fields) {
  Experts experts;
  experts.count = fields.integer("num_experts", 0, 0, kMostExperts);
  if (experts.count == 0) return experts;
  experts.top_k = fields.integer("moe_top_k", 1, 1, experts.count);
  experts.every = fields.integer("moe_every_n_layers", 0, -1, int64_t{1} << 20);
  return experts;
}

ValueId mixture_of_experts(Builder& b, ValueId x, const Experts& experts, Activation activation,
                           const std::string& module) {
  const int64_t hidden = b.config().hidden_size;
  const int64_t inner = b.config().intermediate_size;
  const Shape stored{experts.count * inner, hidden};
  const std::string w1 = module + ".experts.mlp.w1";
  const std::string w2 = module + ".experts.mlp.w2";
  const ValueId router = b.parameter(module + ".router.layer.weight", Shape{experts.count, hidden});
  const ValueId routes =
      b.graph().add_node(OpKind::kRouteTokens, {x, router},
                         graph::RouteTokensAttributes{experts.top_k}, module + ".router");
  const ValueId up = b.graph().add_constant(w1, b.load_stored(w1, stored));
  const ValueId down =
      b.graph().add_constant(w2, transposed(*b.load_stored(w2, stored), experts.count));
  const ValueId wide = product(b, x, up, routes, {experts.count, activation}, w1);
  const ValueId narrow = product(b, wide, down, routes, {experts.count}, w2);
  const ValueId sum = b.graph().add_node(OpKind::kCombineExperts, {narrow, routes},
                                         graph::NoAttributes{}, module + ".experts");
  return b.add(sum, b.parameter(module + ".experts.bias", Shape{hidden}), module + ".experts");
}

}  // namespace tamis::models
