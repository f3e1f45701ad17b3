#include "engines/cpu/lower/lower_matmul_bf16.h"

#include "kernels/cpu/elementwise/elementwise.h"

namespace tamis::engines::cpu {

namespace {

// Rounds its input to bf16 in scratch, unless it comes as that, and multiplies. Members of a team
// that take all of few rows round them each.
class MatMulBf16Step final : public Step {
 public:
  MatMulBf16Step(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(graph::Operand::kX)),
        residual_(node.operand(graph::Operand::kResidual)),
        y_(node.output),
        symbol_(lowering.shape(node.output)[0].symbol),
        rounded_(lowering.is_bf16(node.operand(graph::Operand::kX))),
        stored_(lowering.dtype(node.output)),
        weight_(lowering.pack_gemm_bf16(node.operand(graph::Operand::kWeight))),
        elementwise_(&kernels::select_elementwise(lowering.isas())) {
    args_.n = lowering.columns(node.output);
    args_.k = lowering.columns(node.operand(graph::Operand::kX));
    args_.lda = (args_.k + 1) / 2 * 2;
    args_.ldr = args_.n;
    args_.ldc = args_.n;
    args_.packed = weight_->memory.data();
    args_.bias = lowering.optional_constant(node.operand(graph::Operand::kBias));
    args_.activation = node.attribute<graph::MatMulAttributes>().activation;
  }

  void run(const StepContext& context) const noexcept override {
    const auto [rows, panels] =
        share_of_product(context.block->units(symbol_),
                         kernels::gemm_bf16_panels(*weight_->kernel, args_.n), context);
    if (rows.begin == rows.end || panels.begin == panels.end) return;
    const int64_t first = rows.begin * args_.n;
    kernels::GemmBf16Args args = args_;
    args.m = rows.end - rows.begin;
    args.a =
        rounded_ ? context.value<const uint16_t>(x_) + rows.begin * args.lda : round(context, rows);
    if (stored_ == DType::kBF16) {
      args.c_bf16 = context.value<uint16_t>(y_) + first;
    } else if (stored_ == DType::kF16) {
      args.c_f16 = context.value<uint16_t>(y_) + first;
    } else {
      args.c = context.value<float>(y_) + first;
    }
    if (residual_ != graph::kNoValue) args.residual = context.value<const float>(residual_) + first;
    weight_->kernel->run(args, panels.begin, panels.end);
  }

  [[nodiscard]] size_t scratch_bytes(int64_t rows, int64_t /*max_seqlen*/) const override {
    return rounded_ ? 0 : static_cast<size_t>(rows * args_.lda) * sizeof(uint16_t);
  }
  [[nodiscard]] std::string_view kernel() const override { return weight_->kernel->name; }
  [[nodiscard]] double operations(const Block& block) const override {
    return 2.0 * static_cast<double>(block.units(symbol_)) * static_cast<double>(args_.n) *
           static_cast<double>(args_.k);
  }

 private:
  [[nodiscard]] const uint16_t* round(const StepContext& context, Share rows) const {
    auto* a = reinterpret_cast<uint16_t*>(context.scratch);
    const auto* x = context.value<const float>(x_) + rows.begin * args_.k;
    const int64_t count = rows.end - rows.begin;
    if (args_.lda == args_.k) {
      elementwise_->to_bf16(count * args_.k, x, a);
      return a;
    }
    for (int64_t i = 0; i < count; ++i) {
      elementwise_->to_bf16(args_.k, x + i * args_.k, a + i * args_.lda);
      a[i * args_.lda + args_.k] = 0;
    }
    return a;
  }

  graph::ValueId x_;
  graph::ValueId residual_;
  graph::ValueId y_;
  graph::Symbol symbol_;
  bool rounded_;  // its input
  DType stored_;
  std::shared_ptr<const PackedBf16> weight_;
  const kernels::ElementwiseKernel* elementwise_;
  kernels::GemmBf16Args args_;
};

}  // namespace

std::unique_ptr<Step> lower_matmul_bf16(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<MatMulBf16Step>(node, lowering);
}

}  // namespace tamis::engines::cpu
