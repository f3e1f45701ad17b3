#include "engines/cpu/lower/lower_matmul_s8.h"

#include "base/error.h"
#include "engines/cpu/lower/lower_quantize_rows.h"

namespace tamis::engines::cpu {

using graph::Operand;

namespace {

// Multiplies the quantized copy of its input, which an earlier step made.
class MatMulS8Step final : public Step {
 public:
  MatMulS8Step(const graph::Node& node, Lowering& lowering)
      : copy_(lowering.quantized_id(lowering.quantized_input(node))),
        residual_(node.operand(Operand::kResidual)),
        y_(node.output),
        symbol_(lowering.shape(node.operand(Operand::kX))[0].symbol),
        stored_(lowering.dtype(node.output)),
        weight_(lowering.pack_gemm_s8(node)) {
    args_.n = lowering.columns(node.output);
    args_.k = lowering.columns(node.operand(Operand::kX));
    args_.lda = kernels::quantized_row_bytes(args_.k);
    args_.ldr = args_.n;
    args_.ldc = args_.n;
    args_.packed = weight_->memory.data();
    args_.bias = lowering.optional_constant(node.operand(Operand::kBias));
    args_.activation = node.attribute<graph::MatMulAttributes>().activation;
    take_outliers(node, lowering);
  }

  void run(const StepContext& context) const noexcept override {
    const auto [rows, panels] = share(context);
    if (rows.begin == rows.end || panels.begin == panels.end) return;
    const QuantizedView copy(context.value<std::byte>(copy_), context.block->units(symbol_));
    const int64_t first = rows.begin * args_.n;
    kernels::GemmS8Args args = args_;
    args.m = rows.end - rows.begin;
    args.a = copy.q + rows.begin * args.lda;
    args.scale = copy.scale + rows.begin;
    args.low = copy.low + rows.begin;
    args.outlier_values = copy.outliers + rows.begin * kMaxOutliers;
    if (stored_ == DType::kBF16) {
      args.c_bf16 = context.value<uint16_t>(y_) + first;
    } else if (stored_ == DType::kF16) {
      args.c_f16 = context.value<uint16_t>(y_) + first;
    } else {
      args.c = context.value<float>(y_) + first;
    }
    if (residual_ != graph::kNoValue) args.residual = context.value<const float>(residual_) + first;
    if (next_ != nullptr) args.fetch_next = next_->first_weights(context);
    weight_->kernel->run(args, panels.begin, panels.end);
  }

  void follow_with(const Step* next) override { next_ = next; }
  [[nodiscard]] bool has_weights() const override { return true; }
  [[nodiscard]] const void* first_weights(const StepContext& context) const override {
    return weight_->memory.data() +
           share(context).panels.begin * weight_->kernel->panel_bytes(args_.k);
  }

  [[nodiscard]] std::string_view kernel() const override { return weight_->kernel->name; }
  [[nodiscard]] double operations(const Block& block) const override {
    return 2.0 * static_cast<double>(block.units(symbol_)) * static_cast<double>(args_.n) *
           static_cast<double>(args_.k);
  }

 private:
  [[nodiscard]] ProductShare share(const StepContext& context) const {
    return share_of_product(context.block->units(symbol_),
                            kernels::gemm_s8_panels(*weight_->kernel, args_.n), context);
  }
  // The graph holds the outliers' weights as [n, outliers]; the kernel reads them row by row.
  void take_outliers(const graph::Node& node, const Lowering& lowering) {
    if (!node.has(Operand::kOutlierColumns)) return;
    const graph::Value& outliers = lowering.graph().value(node.operand(Operand::kOutlierColumns));
    const auto columns = outliers.constant->as<int32_t>();
    const float* weights = lowering.constant(node.operand(Operand::kOutlierWeight));
    for (size_t r = 0; r < columns.size(); ++r) {
      for (int64_t i = 0; i < args_.n; ++i) {
        outlier_weights_.push_back(weights[static_cast<size_t>(i) * columns.size() + r]);
      }
    }
    args_.outliers = static_cast<int64_t>(columns.size());
    args_.outlier_weights = outlier_weights_.data();
  }

  graph::ValueId copy_;
  graph::ValueId residual_;
  graph::ValueId y_;
  graph::Symbol symbol_;
  DType stored_;
  std::shared_ptr<const PackedS8> weight_;
  kernels::GemmS8Args args_;
  const Step* next_ = nullptr;
  std::vector<float> outlier_weights_;  // [outliers, n]
};

}  // namespace

std::unique_ptr<Step> lower_matmul_s8(const graph::Node& node, Lowering& lowering) {
  const graph::Quantizer* input = node.enabled_mark(Operand::kX);
  if (input == nullptr || input->scheme != graph::QuantScheme::kPerTokenU8) {
    fail(ErrorCode::kUnsupported, graph::op_name(node.op), " at \"", node.scope,
         "\": the integer kernels take an ", "input mark that is on and per_token_u8",
         input == nullptr ? std::string() : cat(", not ", graph::scheme_name(input->scheme)));
  }
  return std::make_unique<MatMulS8Step>(node, lowering);
}

}  // namespace tamis::engines::cpu
