#include "engines/cpu/lower/lower_matmul_bf16.h"
#include "engines/cpu/lower/lower_matmul_s8.h"
#include "engines/cpu/lowering.h"

namespace tamis::engines::cpu {

namespace {

class MatMulStep final : public Step {
 public:
  MatMulStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(graph::Operand::kX)),
        residual_(node.operand(graph::Operand::kResidual)),
        y_(node.output),
        symbol_(lowering.shape(node.operand(graph::Operand::kX))[0].symbol),
        weight_(lowering.pack_gemm_f32(node.operand(graph::Operand::kWeight))) {
    args_.n = lowering.columns(node.output);
    args_.k = lowering.columns(node.operand(graph::Operand::kX));
    args_.lda = args_.k;
    args_.ldr = args_.n;
    args_.ldc = args_.n;
    args_.packed = reinterpret_cast<const float*>(weight_->memory.data());
    args_.bias = lowering.optional_constant(node.operand(graph::Operand::kBias));
    args_.activation = node.attribute<graph::MatMulAttributes>().activation;
  }

  void run(const StepContext& context) const noexcept override {
    kernels::GemmF32Args args = args_;
    args.m = context.block->units(symbol_);
    args.a = context.value<const float>(x_);
    args.c = context.value<float>(y_);
    if (residual_ != graph::kNoValue) args.residual = context.value<const float>(residual_);
    const Share panels = share_of(kernels::gemm_f32_panels(*weight_->kernel, args.n), context);
    if (args.m > 0 && panels.begin < panels.end) {
      weight_->kernel->run(args, panels.begin, panels.end);
    }
  }

  [[nodiscard]] std::string_view kernel() const override { return weight_->kernel->name; }
  [[nodiscard]] double operations(const Block& block) const override {
    return 2.0 * static_cast<double>(block.units(symbol_)) * static_cast<double>(args_.n) *
           static_cast<double>(args_.k);
  }

 private:
  graph::ValueId x_;
  graph::ValueId residual_;
  graph::ValueId y_;
  graph::Symbol symbol_;
  std::shared_ptr<const PackedF32> weight_;
  kernels::GemmF32Args args_;
};

}  // namespace

std::unique_ptr<Step> lower_matmul(const graph::Node& node, Lowering& lowering) {
  switch (lowering.arithmetic(node)) {
    case Arithmetic::kS8:
      return lower_matmul_s8(node, lowering);
    case Arithmetic::kBf16:
      return lower_matmul_bf16(node, lowering);
    case Arithmetic::kF32:
      break;
  }
  return std::make_unique<MatMulStep>(node, lowering);
}

}  // namespace tamis::engines::cpu
