#include "engines/cpu/lowering.h"
#include "kernels/cpu/elementwise/elementwise.h"

namespace tamis::engines::cpu {

namespace {

class ActivationStep final : public Step {
 public:
  ActivationStep(const graph::Node& node, const Lowering& lowering)
      : x_(node.operand(graph::Operand::kX)),
        y_(node.output),
        activation_(node.attribute<graph::ActivationAttributes>().activation),
        kernel_(&kernels::select_elementwise(lowering.isas())),
        symbol_(lowering.shape(node.output).symbol()),
        width_(lowering.columns(node.output)) {}

  void run(const StepContext& context) const noexcept override {
    const Share rows = share_of(context.block->units(symbol_), context);
    const int64_t first = rows.begin * width_;
    kernel_->activate(activation_, (rows.end - rows.begin) * width_,
                      context.value<const float>(x_) + first, context.value<float>(y_) + first);
  }

  [[nodiscard]] std::string_view kernel() const override { return kernel_->name; }

 private:
  graph::ValueId x_;
  graph::ValueId y_;
  Activation activation_;
  const kernels::ElementwiseKernel* kernel_;
  graph::Symbol symbol_;
  int64_t width_;
};

}  // namespace

std::unique_ptr<Step> lower_activation(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<ActivationStep>(node, lowering);
}

}  // namespace tamis::engines::cpu
