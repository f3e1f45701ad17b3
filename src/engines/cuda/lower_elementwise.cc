// Add, Mul and Activation; rotary positions; and what packing a batch does.
#include "base/error.h"
#include "engines/cuda/lowering.h"

namespace tamis::engines::cuda {

using graph::Operand;
using tamis::cuda::ElementwiseParams;
using tamis::cuda::KernelId;
using tamis::cuda::Stored;

namespace {

// The second operand is a value of the same shape, a constant row, or a constant number.
class ElementwiseStep final : public Step {
 public:
  ElementwiseStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(Operand::kX)),
        y_(node.output),
        symbol_(lowering.symbol(node.output)),
        rows_(lowering.array(ArrayKind::kRows, symbol_)) {
    params_.columns = params_.ldy = lowering.columns(y_);
    params_.x.stored = lowering.stored(x_);
    params_.y.stored = lowering.stored(y_);
    if (const auto* fields = std::get_if<graph::ActivationAttributes>(&node.attributes)) {
      params_.activation = fields->activation;
      return;
    }
    const bool add = node.op == graph::OpKind::kAdd;
    params_.kind = add ? ElementwiseParams::Kind::kAdd : ElementwiseParams::Kind::kMultiply;
    take_other(node.operand(Operand::kY), lowering);
  }

  void launch(const StepContext& context) const override {
    ElementwiseParams params = params_;
    params.rows = context.array(rows_);
    params.x.data = context.value<const std::byte>(x_);
    params.y.data = context.value<std::byte>(y_);
    params.other = constant_.there() ? context.constant(constant_) : nullptr;
    if (other_ != graph::kNoValue) params.other = context.value<const float>(other_);
    context.launch(KernelId::k_elementwise, context.extent.rows(symbol_), 1, params);
  }

 private:
  void take_other(graph::ValueId other, Lowering& lowering) {
    const size_t rank = lowering.shape(other).rank();
    if (rank == 2) {
      TAMIS_CHECK(lowering.stored(other) == Stored::kF32);
      other_ = other;
      params_.other_row = params_.columns;
    } else {
      constant_ = lowering.floats(other);
      params_.other_column = rank == 0 ? 0 : 1;
    }
  }

  graph::ValueId x_;
  graph::ValueId y_;
  graph::Symbol symbol_;
  int rows_;
  graph::ValueId other_ = graph::kNoValue;
  Constant<float> constant_;
  ElementwiseParams params_;
};

class RotaryStep final : public Step {
 public:
  RotaryStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(Operand::kX)),
        y_(node.output),
        symbol_(lowering.symbol(y_)),
        rows_(lowering.array(ArrayKind::kRows, symbol_)),
        places_(lowering.arrays().add(
            {.kind = ArrayKind::kGivenPlaces,
             .symbol = symbol_,
             .long_from = node.attribute<graph::RotaryAttributes>().long_from})),
        angles_(lowering.angles(node)) {
    const auto& fields = node.attribute<graph::RotaryAttributes>();
    params_.width = lowering.columns(y_);
    params_.heads = static_cast<int>(fields.heads);
    params_.head_size = static_cast<int>(fields.head_size);
    const graph::SymbolicShape& frequencies = lowering.shape(node.operand(Operand::kFrequencies));
    params_.pairs = static_cast<int>(frequencies[frequencies.rank() - 1].size);
    params_.interleaved = fields.interleaved;
    params_.angles = static_cast<int>(angles_->stride());
    params_.x.stored = lowering.stored(x_);
    params_.y.stored = lowering.stored(y_);
    lowering.limits().limit_places(Angles::kMostPlaces);
  }

  void launch(const StepContext& context) const override {
    const Angles::Table* table = angles_->table();
    TAMIS_CHECK(table != nullptr);
    tamis::cuda::RotaryParams params = params_;
    params.rows = context.array(rows_);
    params.places = context.array(places_);
    params.cosine = table->cosine;
    params.sine = table->sine;
    params.x.data = context.value<const std::byte>(x_);
    params.y.data = context.value<std::byte>(y_);
    context.launch(KernelId::k_rotary, context.extent.rows(symbol_), 1, params);
  }

 private:
  graph::ValueId x_;
  graph::ValueId y_;
  graph::Symbol symbol_;
  int rows_;
  int places_;
  std::shared_ptr<Angles> angles_;
  tamis::cuda::RotaryParams params_;
};

// Rows times numbers that the host counts out.
class TokenDropoutStep final : public Step {
 public:
  TokenDropoutStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(Operand::kX)),
        y_(node.output),
        symbol_(lowering.symbol(y_)),
        rows_(lowering.array(ArrayKind::kRows, symbol_)),
        factors_(
            lowering.arrays().add({.kind = ArrayKind::kDropout,
                                   .symbol = symbol_,
                                   .dropout = node.attribute<graph::TokenDropoutAttributes>()})) {
    lowering.limits().limit_unseen({}, false);  // the share is one of all tokens
    params_.kind = ElementwiseParams::Kind::kMultiply;
    params_.columns = params_.ldy = lowering.columns(y_);
    params_.other_row = 1;
    params_.other_column = 0;
    params_.x.stored = lowering.stored(x_);
    params_.y.stored = lowering.stored(y_);
  }

  void launch(const StepContext& context) const override {
    ElementwiseParams params = params_;
    params.rows = context.array(rows_);
    params.other = context.array<float>(factors_);
    params.x.data = context.value<const std::byte>(x_);
    params.y.data = context.value<std::byte>(y_);
    context.launch(KernelId::k_elementwise, context.extent.rows(symbol_), 1, params);
  }

 private:
  graph::ValueId x_;
  graph::ValueId y_;
  graph::Symbol symbol_;
  int rows_;
  int factors_;
  ElementwiseParams params_;
};

// Rows of one of two values, as the host says.
class MergeGlobalStep final : public Step {
 public:
  MergeGlobalStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(Operand::kX)),
        global_(node.operand(Operand::kY)),
        y_(node.output),
        symbol_(lowering.symbol(y_)),
        rows_(lowering.array(ArrayKind::kRows, symbol_)),
        chosen_(lowering.seen_by_all(node.attribute<graph::MergeGlobalAttributes>())) {
    TAMIS_CHECK(lowering.stored(global_) == Stored::kF32);
    params_.kind = ElementwiseParams::Kind::kChoose;
    params_.columns = params_.ldy = params_.other_row = lowering.columns(y_);
    params_.x.stored = lowering.stored(x_);
    params_.y.stored = lowering.stored(y_);
    lowering.limits().limit_unseen({}, false);
  }

  void launch(const StepContext& context) const override {
    ElementwiseParams params = params_;
    params.rows = context.array(rows_);
    params.chosen = context.array(chosen_);
    params.other = context.value<const float>(global_);
    params.x.data = context.value<const std::byte>(x_);
    params.y.data = context.value<std::byte>(y_);
    context.launch(KernelId::k_elementwise, context.extent.rows(symbol_), 1, params);
  }

 private:
  graph::ValueId x_;
  graph::ValueId global_;
  graph::ValueId y_;
  graph::Symbol symbol_;
  int rows_;
  int chosen_;
  ElementwiseParams params_;
};

}  // namespace

std::unique_ptr<Step> lower_merge_global(const graph::Node& node, Lowering& lowering) {
  require_batch_ids(node, lowering.graph());
  return std::make_unique<MergeGlobalStep>(node, lowering);
}

std::unique_ptr<Step> lower_token_dropout(const graph::Node& node, Lowering& lowering) {
  require_batch_ids(node, lowering.graph());
  return std::make_unique<TokenDropoutStep>(node, lowering);
}

std::unique_ptr<Step> lower_elementwise(const graph::Node& node, Lowering& lowering) {
  if (lowering.shape(node.output).rank() != 2) {
    refuse(node, cat("values of shape ", lowering.shape(node.output).to_string(),
                     "; the CUDA engine takes rows"));
  }
  return std::make_unique<ElementwiseStep>(node, lowering);
}

std::unique_ptr<Step> lower_rotary(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<RotaryStep>(node, lowering);
}

// The ids come with the batch: plan.cc.
std::unique_ptr<Step> lower_position_ids(const graph::Node&, Lowering&) { return nullptr; }

}  // namespace tamis::engines::cuda
