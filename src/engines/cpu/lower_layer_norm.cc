#include "engines/cpu/lower_quantize_rows.h"
#include "kernels/cpu/layer_norm/layer_norm.h"

namespace tamis::engines::cpu {

using graph::Operand;

namespace {

// Both LayerNormalization(x, gamma, beta) and SkipLayerNormalization(x, skip, gamma, beta).
class LayerNormStep final : public Step {
 public:
  LayerNormStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(Operand::kX)),
        skip_(node.operand(Operand::kSkip)),
        y_(node.output),
        symbol_(lowering.shape(node.output)[0].symbol),
        kernel_(&kernels::select_layer_norm(lowering.isas())),
        quantize_kernel_(&kernels::select_quantize_rows(lowering.isas())),
        copy_(copy_made_with(node.output, lowering)) {
    args_.width = lowering.columns(node.output);
    args_.ldx = args_.width;
    args_.ldr = args_.width;
    args_.ldy = args_.width;
    args_.gamma = lowering.constant(node.operand(Operand::kGamma));
    args_.beta = lowering.constant(node.operand(Operand::kBeta));
    args_.eps = node.attribute<graph::LayerNormAttributes>().epsilon;
  }

  void run(const StepContext& context) const noexcept override {
    const int64_t total = context.block->units(symbol_);
    const Share rows = share_of(total, context);
    const int64_t first = rows.begin * args_.width;
    kernels::LayerNormArgs args = args_;
    args.rows = rows.end - rows.begin;
    args.x = context.value<const float>(x_) + first;
    if (skip_ != graph::kNoValue) args.residual = context.value<const float>(skip_) + first;
    args.y = context.value<float>(y_) + first;
    if (args.rows == 0) return;
    if (copy_.id == graph::kNoValue) return kernel_->run(args);
    quantize_kernel_->run_layer_norm(
        args, quantize_into(copy_.parameters, context.value<std::byte>(copy_.id), total, rows));
  }

  [[nodiscard]] std::string_view kernel() const override {
    return copy_.id == graph::kNoValue ? kernel_->name : quantize_kernel_->name;
  }

 private:
  graph::ValueId x_;
  graph::ValueId skip_;
  graph::ValueId y_;
  graph::Symbol symbol_;
  const kernels::LayerNormKernel* kernel_;
  kernels::LayerNormArgs args_;
  const kernels::QuantizeRowsKernel* quantize_kernel_;
  ProducedCopy copy_;
};

}  // namespace

std::unique_ptr<Step> lower_layer_normalization(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<LayerNormStep>(node, lowering);
}

std::unique_ptr<Step> lower_skip_layer_normalization(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<LayerNormStep>(node, lowering);
}

}  // namespace tamis::engines::cpu
