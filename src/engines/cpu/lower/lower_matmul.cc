#include "engines/cpu/lower/lower_matmul_bf16.h"
#include "engines/cpu/lower/lower_matmul_s8.h"
#include "engines/cpu/lowering.h"

namespace tamis::engines::cpu {

namespace {

/// All of a product but how its weight is packed.
class ProductStep : public Step {
 public:
  [[nodiscard]] double operations(const Block& block) const override {
    return 2.0 * static_cast<double>(block.units(symbol_)) * static_cast<double>(args_.n) *
           static_cast<double>(args_.k);
  }

 protected:
  ProductStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(graph::Operand::kX)),
        residual_(node.operand(graph::Operand::kResidual)),
        y_(node.output),
        symbol_(lowering.shape(node.operand(graph::Operand::kX))[0].symbol) {
    args_.n = lowering.columns(node.output);
    args_.k = lowering.columns(node.operand(graph::Operand::kX));
    args_.lda = args_.k;
    args_.ldr = args_.n;
    args_.ldc = args_.n;
    args_.bias = lowering.optional_constant(node.operand(graph::Operand::kBias));
    args_.activation = node.attribute<graph::MatMulAttributes>().activation;
  }

  /// Of the block, less the weight.
  [[nodiscard]] kernels::GemmF32Args args(const StepContext& context) const {
    kernels::GemmF32Args args = args_;
    args.m = context.block->units(symbol_);
    args.a = context.value<const float>(x_);
    args.c = context.value<float>(y_);
    if (residual_ != graph::kNoValue) args.residual = context.value<const float>(residual_);
    return args;
  }
  [[nodiscard]] int64_t n() const { return args_.n; }
  [[nodiscard]] int64_t k() const { return args_.k; }

 private:
  graph::ValueId x_;
  graph::ValueId residual_;
  graph::ValueId y_;
  graph::Symbol symbol_;
  kernels::GemmF32Args args_;
};

class MatMulStep final : public ProductStep {
 public:
  MatMulStep(const graph::Node& node, Lowering& lowering)
      : ProductStep(node, lowering),
        weight_(lowering.pack_gemm_f32(node.operand(graph::Operand::kWeight))) {}

  void run(const StepContext& context) const noexcept override {
    kernels::GemmF32Args product = args(context);
    product.packed = reinterpret_cast<const float*>(weight_->memory.data());
    const Share panels = share_of(kernels::gemm_f32_panels(*weight_->kernel, n()), context);
    if (product.m > 0 && panels.begin < panels.end) {
      weight_->kernel->run(product, panels.begin, panels.end);
    }
  }
  [[nodiscard]] std::string_view kernel() const override { return weight_->kernel->name; }

 private:
  std::shared_ptr<const PackedF32> weight_;
};

/// Packs a panel, multiplies by it while it lies in the level-2 cache, and packs the next over it.
class MatMulOnceStep final : public ProductStep {
 public:
  MatMulOnceStep(const graph::Node& node, Lowering& lowering)
      : ProductStep(node, lowering),
        kernel_(kernels::select_gemm_f32(lowering.isas())),
        weight_(lowering.float_weight(node.operand(graph::Operand::kWeight))) {}

  void run(const StepContext& context) const noexcept override {
    const kernels::GemmF32Args whole = args(context);
    if (whole.m == 0) return;
    auto* const packed = reinterpret_cast<float*>(context.scratch);
    float* const widened = packed + kernel_.packed_bytes(kernel_.nr, k()) / sizeof(float);
    const Share panels = share_of(kernels::gemm_f32_panels(kernel_, n()), context);
    for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
      const int64_t first = panel * kernel_.nr;
      kernels::GemmF32Args product = whole;
      product.n = std::min(kernel_.nr, n() - first);
      kernel_.pack({product.n, k(), floats(first, product.n, widened), k()}, 0, 1, packed);
      product.packed = packed;
      product.c += first;
      if (product.bias != nullptr) product.bias += first;
      if (product.residual != nullptr) product.residual += first;
      kernel_.run(product, 0, 1);
    }
  }
  [[nodiscard]] size_t scratch_bytes(int64_t /*rows*/, int64_t /*max_seqlen*/) const override {
    const size_t panel = kernel_.packed_bytes(kernel_.nr, k());
    return weight_->dtype() == DType::kF32 ? panel : 2 * panel;
  }
  [[nodiscard]] std::string_view kernel() const override { return kernel_.name; }

 private:
  // Rows of the weight where they lie, or widened.
  [[nodiscard]] const float* floats(int64_t first, int64_t rows, float* widened) const {
    if (weight_->dtype() == DType::kF32) return weight_->as<float>().data() + first * k();
    const Shape shape = {rows, k()};
    const size_t skipped = static_cast<size_t>(first * k()) * dtype_bytes(weight_->dtype());
    copy_float32({weight_->dtype(), shape, weight_->view().data() + skipped},
                 {widened, static_cast<size_t>(shape.elements())});
    return widened;
  }

  const kernels::GemmF32Kernel& kernel_;
  std::shared_ptr<const Tensor> weight_;
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
  if (lowering.once()) return std::make_unique<MatMulOnceStep>(node, lowering);
  return std::make_unique<MatMulStep>(node, lowering);
}

}  // namespace tamis::engines::cpu
