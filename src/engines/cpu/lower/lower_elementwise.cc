#include "engines/cpu/lowering.h"
#include "kernels/cpu/elementwise/elementwise.h"

namespace tamis::engines::cpu {

namespace {

/// The second operand: a value of the same shape, a constant row, or a constant number.
enum class Operand { kSame, kRow, kScalar };

// Add and Mul. A row is applied row by row.
class ElementwiseStep final : public Step {
 public:
  ElementwiseStep(const graph::Node& node, const Lowering& lowering)
      : x_(node.operand(graph::Operand::kX)),
        other_(node.operand(graph::Operand::kY)),
        y_(node.output),
        multiply_(node.op == graph::OpKind::kMul),
        kernel_(&kernels::select_elementwise(lowering.isas())) {
    const graph::SymbolicShape& shape = lowering.shape(node.output);
    symbol_ = shape.symbol();
    per_unit_ = shape.elements_per_unit();
    const size_t rank = lowering.shape(other_).rank();
    operand_ = rank == 0 ? Operand::kScalar : (rank == 1 ? Operand::kRow : Operand::kSame);
    if (operand_ != Operand::kSame) constant_ = lowering.constant(other_);
  }

  void run(const StepContext& context) const noexcept override {
    // Pairs are laid out head by head, so the whole counts as one row of units.
    const Share units = share_of(context.block->units(symbol_), context);
    const int64_t first = units.begin * per_unit_;
    const int64_t count = (units.end - units.begin) * per_unit_;
    const float* x = context.value<const float>(x_) + first;
    float* y = context.value<float>(y_) + first;
    if (operand_ == Operand::kScalar) {
      kernel_->scale(count, x, *constant_, y);
      return;
    }
    const auto apply = multiply_ ? kernel_->multiply : kernel_->add;
    if (operand_ == Operand::kSame) {
      return apply(count, x, context.value<const float>(other_) + first, y);
    }
    for (int64_t i = 0; i < count; i += per_unit_) apply(per_unit_, x + i, constant_, y + i);
  }

  [[nodiscard]] std::string_view kernel() const override { return kernel_->name; }

 private:
  graph::ValueId x_;
  graph::ValueId other_;
  graph::ValueId y_;
  bool multiply_;
  const kernels::ElementwiseKernel* kernel_;
  graph::Symbol symbol_ = graph::Symbol::kTokens;
  int64_t per_unit_ = 0;
  Operand operand_ = Operand::kSame;
  const float* constant_ = nullptr;
};

}  // namespace

std::unique_ptr<Step> lower_add(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<ElementwiseStep>(node, lowering);
}

std::unique_ptr<Step> lower_mul(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<ElementwiseStep>(node, lowering);
}

}  // namespace tamis::engines::cpu
