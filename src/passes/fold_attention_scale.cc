#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "passes/match.h"
#include "tensor/widened.h"

namespace tamis::passes {

namespace {

using graph::Node;
using graph::Operand;
using graph::OpKind;
using graph::ValueId;

// Factors that only move the exponent: every product with one is exact, whoever computes it.
bool is_power_of_two(float factor) {
  int exponent = 0;
  return factor > 0 && std::frexp(factor, &exponent) == 0.5f;
}

/// The constants that Q projections read, each with the factor that all its readers ask for.
class Factors {
 public:
  explicit Factors(const graph::Graph& graph) : graph_(graph), uses_(graph) {}

  // The projection of an Attention's queries, if the factor can move there.
  [[nodiscard]] const Node* projection(const Node& node) const {
    if (node.op != OpKind::kAttention || !node.has(Operand::kV)) return nullptr;
    const auto& fields = node.attribute<graph::AttentionAttributes>();
    // The factor is of keys times position_queries too, which the projection has no part in.
    if (node.has(Operand::kPositionQueries)) return nullptr;
    const float factor = fields.scale;
    if (factor == 1.0f || !is_power_of_two(factor)) return nullptr;
    if (!uses_.used_once(node.operand(Operand::kQ))) return nullptr;
    const Node* matmul = uses_.producer(node.operand(Operand::kQ), OpKind::kMatMul);
    const bool linear =
        matmul != nullptr && !matmul->has(Operand::kResidual) &&
        is_float(matmul->operand(Operand::kWeight)) &&
        matmul->attribute<graph::MatMulAttributes>().activation == Activation::kNone;
    return linear ? matmul : nullptr;
  }

  // Whether every reader of the projections' constants is a projection with the same factor: layers
  // may share them.
  [[nodiscard]] bool agree(const Node& matmul, float factor) const {
    for (size_t k = 1; k < matmul.inputs.size(); ++k) {
      if (graph_.is_output(matmul.inputs[k])) return false;
      for (const int reader : graph_.consumers(matmul.inputs[k])) {
        const Node& node = graph_.nodes()[static_cast<size_t>(reader)];
        if (factor_of(node) != factor || k >= node.inputs.size() ||
            node.inputs[k] != matmul.inputs[k])
          return false;
      }
    }
    return true;
  }

 private:
  [[nodiscard]] bool is_float(ValueId id) const {
    return graph_.is_constant(id) && is_stored_float(graph_.value(id).dtype);
  }

  // The factor of the Attention whose queries the node makes, nothing if it makes none.
  [[nodiscard]] std::optional<float> factor_of(const Node& node) const {
    const Node* attention = uses_.only_consumer(node.output, OpKind::kAttention);
    if (attention == nullptr || projection(*attention) != &node) return std::nullopt;
    return attention->attribute<graph::AttentionAttributes>().scale;
  }

  const graph::Graph& graph_;
  Uses uses_;
};

// The product in 16 bits, nothing if one of its numbers is too small for them: below the least
// normal one, the exponent has nowhere to move.
std::optional<Tensor> times_in_16_bits(const Tensor& tensor, float factor) {
  Tensor product(tensor.dtype(), tensor.shape());
  const auto x = tensor.as<uint16_t>();
  const auto y = product.mutable_as<uint16_t>();
  for (size_t i = 0; i < x.size(); ++i) {
    const float exact = from_16_bits(x[i], tensor.dtype()) * factor;
    y[i] = to_16_bits(exact, tensor.dtype());
    if (from_16_bits(y[i], tensor.dtype()) != exact) return std::nullopt;
  }
  return product;
}

// Stored as it was where that holds every product.
std::shared_ptr<const Tensor> times(const std::shared_ptr<const Tensor>& tensor, float factor) {
  std::optional<Tensor> product;
  if (tensor->dtype() != DType::kF32) product = times_in_16_bits(*tensor, factor);
  if (!product) {
    product.emplace(DType::kF32, tensor->shape());
    const std::shared_ptr<const Tensor> floats = widened(tensor);
    const auto x = floats->as<float>();
    std::transform(x.begin(), x.end(), product->mutable_as<float>().begin(),
                   [factor](float value) { return value * factor; });
  }
  tensor->release_pages();
  return std::make_shared<const Tensor>(std::move(*product));
}

// The calibrated range of the queries moves with them.
void scale_mark(Node& attention, float factor) {
  for (graph::Quantizer& mark : attention.quantizers) {
    if (mark.operand != Operand::kQ) continue;
    if (mark.low) *mark.low *= factor;
    if (mark.high) *mark.high *= factor;
  }
}

}  // namespace

// Attention{scale}(MatMul(x, weight, bias), k, v) -> Attention{1}(MatMul(x, scale * weight, scale *
// bias), k, v), where the scale is a power of two and no bit changes: head sizes 4, 16, 64, 256.
// Weights keep their names, and marks their places: a weight's integers are the same.
bool fold_attention_scale(graph::Graph& graph) {
  std::map<ValueId, float> scaled;
  std::vector<size_t> attentions;
  const Factors factors(graph);
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    const Node* matmul = factors.projection(node);
    if (matmul == nullptr) continue;
    const float factor = node.attribute<graph::AttentionAttributes>().scale;
    if (!factors.agree(*matmul, factor)) continue;
    for (size_t k = 1; k < matmul->inputs.size(); ++k) scaled[matmul->inputs[k]] = factor;
    attentions.push_back(i);
  }
  for (const auto& item : scaled) {
    std::shared_ptr<const Tensor>& constant = graph.value(item.first).constant;
    constant = times(constant, item.second);
    graph.value(item.first).dtype = constant->dtype();
  }
  for (const size_t i : attentions) {
    auto& attributes = std::get<graph::AttentionAttributes>(graph.nodes()[i].attributes);
    scale_mark(graph.nodes()[i], attributes.scale);
    attributes.scale = 1.0f;
  }
  return !attentions.empty();
}

}  // namespace tamis::passes
