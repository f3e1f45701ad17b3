#include "engines/cuda/lowering.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "kernels/cuda/rows/rows.h"
#include "tensor/widened.h"

namespace tamis::engines::cuda {

using graph::Operand;
using tamis::cuda::Stored;

#define X(op, function) std::unique_ptr<Step> function(const graph::Node&, Lowering&);
#include "engines/cuda/lowering.inc"
#undef X

namespace {

using LowerFn = std::unique_ptr<Step> (*)(const graph::Node&, Lowering&);

LowerFn lowering_of(graph::OpKind op) {
  switch (op) {
#define X(name, function)      \
  case graph::OpKind::k##name: \
    return function;
#include "engines/cuda/lowering.inc"
#undef X
    default:
      return nullptr;
  }
}

bool is_norm_of_rows(const graph::Node& node) {
  switch (node.op) {
    case graph::OpKind::kLayerNormalization:
    case graph::OpKind::kSkipLayerNormalization:
      return true;
    case graph::OpKind::kRMSNormalization:
      return node.attribute<graph::RmsNormAttributes>().heads == 1;
    default:
      return false;
  }
}

// What gemm_tile.h's kNone takes, and a tail with a norm.
bool can_norm(const graph::Graph& graph, const graph::Node& product,
              graph::FloatArithmetic linear) {
  if (!graph::is_matmul(product)) return false;
  const graph::SymbolicShape& shape = graph.value(product.output).shape;
  return cpu::arithmetic_of(graph, product, linear) == cpu::Arithmetic::kS8 &&
         product.attribute<graph::MatMulAttributes>().activation == Activation::kNone &&
         shape.rank() == 2 && shape[1].size <= tamis::cuda::kMostNormTailColumns &&
         shape[1].size % 2 == 0;
}

}  // namespace

bool has_lowering(graph::OpKind op) { return lowering_of(op) != nullptr; }

std::unique_ptr<Step> lower(const graph::Node& node, Lowering& lowering) {
  const LowerFn function = lowering_of(node.op);
  if (function == nullptr) refuse(node, "the CUDA engine has no kernel for it");
  return function(node, lowering);
}

bool has_row_tail(const graph::Graph& graph, const graph::Node& node,
                  graph::FloatArithmetic linear) {
  const graph::SymbolicShape& shape = graph.value(node.output).shape;
  if (shape.rank() != 2 || shape[1].size > tamis::cuda::kMostTailColumns) return false;
  if (graph::is_matmul(node)) {
    return cpu::arithmetic_of(graph, node, linear) == cpu::Arithmetic::kS8 &&
           node.attribute<graph::MatMulAttributes>().activation != Activation::kNone;
  }
  // Tiles cover all tokens, but not the first of sequences that are empty.
  return node.op == graph::OpKind::kAttention && shape.symbol() == graph::Symbol::kTokens &&
         shape[1].size <=
             node.attribute<graph::AttentionAttributes>().heads * tamis::cuda::kMostHeadSizeTail &&
         runs_in_tiles(graph, node, linear);
}

std::vector<int> norms_in_tails(const graph::Graph& graph, graph::FloatArithmetic linear) {
  std::vector<int> made_at(graph.nodes().size());
  std::iota(made_at.begin(), made_at.end(), 0);
  std::vector<bool> taken(graph.nodes().size(), false);
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const graph::Node& node = graph.nodes()[n];
    if (!is_norm_of_rows(node)) continue;
    const int product = graph.producer(node.operand(Operand::kX));
    if (product < 0 || taken[static_cast<size_t>(product)]) continue;
    if (!can_norm(graph, graph.nodes()[static_cast<size_t>(product)], linear)) continue;
    // What is added is there when the product begins.
    const graph::ValueId skip = node.operand(Operand::kSkip);
    if (skip != graph::kNoValue && graph.producer(skip) >= product) continue;
    made_at[n] = product;
    taken[static_cast<size_t>(product)] = true;
  }
  return made_at;
}

void refuse(const graph::Node& node, const std::string& why) {
  fail(ErrorCode::kUnsupported, graph::op_name(node.op), " at \"", node.scope, "\": ", why);
}

void require_batch_ids(const graph::Node& node, const graph::Graph& graph) {
  if (graph.value(node.operand(Operand::kIds)).name == graph::kInputIds) return;
  refuse(node, "ids that are not the batch's");
}

Stored Lowering::stored(graph::ValueId id) const {
  switch (table_.of(id).dtype) {
    case DType::kF16:
      return Stored::kF16;
    case DType::kBF16:
      return Stored::kB16;
    default:
      return Stored::kF32;
  }
}

std::shared_ptr<const Tensor> Lowering::tensor(graph::ValueId id) const {
  const graph::Value& value = graph_.value(id);
  TAMIS_CHECK(value.constant != nullptr);
  if (value.dtype != DType::kF32) {
    fail(ErrorCode::kUnsupported, "constant \"", value.name, "\" is ", dtype_name(value.dtype),
         "; the CUDA engine takes F32 here");
  }
  return value.constant;
}

std::shared_ptr<const Tensor> Lowering::stored_floats(graph::ValueId id) const {
  return is_stored_float(graph_.value(id).dtype) ? graph_.value(id).constant : tensor(id);
}

Constant<float> Lowering::floats(graph::ValueId id) {
  if (id == graph::kNoValue) return {};
  const std::shared_ptr<const Tensor> stored = stored_floats(id);
  if (stored->dtype() == DType::kF32) return constants_.add<float>(stored);
  const auto bytes = static_cast<size_t>(stored->elements()) * sizeof(float);
  return constants_.add<float>(stored.get(), Form::kWidened, bytes, [stored](std::byte* to) {
    copy_float32(stored->view(),
                 {reinterpret_cast<float*>(to), static_cast<size_t>(stored->elements())});
    stored->release_pages();
  });
}

Constant<float> Lowering::table(graph::ValueId rows, graph::ValueId scales) {
  if (scales == graph::kNoValue) return floats(rows);
  const std::shared_ptr<const Tensor> stored = graph_.value(rows).constant;
  const auto bytes = static_cast<size_t>(stored->elements()) * sizeof(float);
  const auto write = [stored, scale = tensor(scales)](std::byte* to) {
    multiply_out(stored->as<int8_t>(), scale->as<float>(),
                 {reinterpret_cast<float*>(to), static_cast<size_t>(stored->elements())});
    stored->release_pages();
  };
  return constants_.add<float>(stored.get(), Form::kWidened, bytes, write);
}

size_t Lowering::copy_of(const graph::Node& matmul) const {
  const auto found = std::ranges::find_if(copies_, [&](const cpu::QuantizedRows& copy) {
    return copy.x == matmul.operand(Operand::kX) &&
           copy.multiplier == matmul.operand(Operand::kInputMultiplier) &&
           copy.offset == matmul.operand(Operand::kInputOffset) &&
           copy.outlier_columns == matmul.operand(Operand::kOutlierColumns);
  });
  TAMIS_CHECK(found != copies_.end());
  return static_cast<size_t>(found - copies_.begin());
}

std::optional<size_t> Lowering::copy_made_with(graph::ValueId x) const {
  for (size_t i = 0; i < copies_.size(); ++i) {
    if (copies_[i].by_producer && copies_[i].x == x) return i;
  }
  return std::nullopt;
}

const graph::Node* Lowering::norm_behind(const graph::Node& node) const {
  const auto self = static_cast<size_t>(&node - graph_.nodes().data());
  for (size_t n = self + 1; n < made_at_.size(); ++n) {
    if (made_at_[n] == static_cast<int>(self)) return &graph_.nodes()[n];
  }
  return nullptr;
}

std::shared_ptr<Angles> Lowering::angles(const graph::Node& rotary) {
  const auto& fields = rotary.attribute<graph::RotaryAttributes>();
  const auto frequencies = tensor(rotary.operand(Operand::kFrequencies));
  for (const std::shared_ptr<Angles>& known : angles_) {
    if (known->is_of(frequencies.get(), fields)) return known;
  }
  angles_.push_back(std::make_shared<Angles>(frequencies, fields));
  return angles_.back();
}

}  // namespace tamis::engines::cuda
