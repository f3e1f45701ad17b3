#include "engines/cpu/lower/lower_quantize_rows.h"
#include "kernels/cpu/layer_norm/layer_norm.h"

namespace tamis::engines::cpu {

using graph::Operand;

namespace {

// Of torch.nn.functional.normalize.
constexpr float kLeastLength = 1e-12f;

kernels::LayerNormArgs norm_args(const graph::Node& node, const Lowering& lowering) {
  kernels::LayerNormArgs args;
  args.width = args.ldx = args.ldr = args.ldy = lowering.columns(node.output);
  args.gamma = lowering.optional_constant(node.operand(Operand::kGamma));
  args.beta = lowering.optional_constant(node.operand(Operand::kBeta));
  if (const auto* rms = std::get_if<graph::RmsNormAttributes>(&node.attributes)) {
    args.kind = kernels::NormKind::kRms;
    args.eps = rms->epsilon;
    args.parts = rms->heads;
  } else if (node.op == graph::OpKind::kTokenNormalize) {
    args.kind = kernels::NormKind::kL2;
    args.eps = kLeastLength;
  } else {
    args.eps = node.attribute<graph::LayerNormAttributes>().epsilon;
  }
  return args;
}

// All normalizations of rows, and SkipLayerNormalization(x, skip, gamma, beta?).
class NormStep final : public Step {
 public:
  NormStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(Operand::kX)),
        skip_(node.operand(Operand::kSkip)),
        y_(node.output),
        symbol_(lowering.shape(node.output)[0].symbol),
        kernel_(&kernels::select_layer_norm(lowering.isas())),
        quantize_kernel_(&kernels::select_quantize_rows(lowering.isas())),
        args_(norm_args(node, lowering)),
        copy_(copy_made_with(node.output, lowering)) {}

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
  const kernels::QuantizeRowsKernel* quantize_kernel_;
  kernels::LayerNormArgs args_;
  ProducedCopy copy_;
};

}  // namespace

std::unique_ptr<Step> lower_normalization(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<NormStep>(node, lowering);
}

}  // namespace tamis::engines::cpu
