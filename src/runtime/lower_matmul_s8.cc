#include "runtime/lower_matmul_s8.h"

#include "base/error.h"
#include "kernels/cpu/quantize_rows/quantize_rows.h"

namespace tamis::runtime {

namespace {

// Inputs of a quantized MatMul behind the residual (graph/ops.inc).
constexpr size_t kMultiplier = 5;
constexpr size_t kOffset = 6;
constexpr size_t kOutlierColumns = 7;
constexpr size_t kOutlierWeight = 8;

const graph::Quantizer* enabled_mark(const graph::Node& node, int32_t operand) {
  for (const graph::Quantizer& mark : node.quantizers) {
    if (mark.operand == operand && mark.enabled) return &mark;
  }
  return nullptr;
}

/// The parts of a worker's scratch.
struct Scratch {
  Scratch(std::byte* memory, int64_t rows, int64_t row_bytes)
      : q(reinterpret_cast<uint8_t*>(memory)),
        scale(reinterpret_cast<float*>(memory + bytes_of_q(rows, row_bytes))),
        low(scale + floats(rows)),
        outliers(low + floats(rows)) {}

  static size_t bytes_of_q(int64_t rows, int64_t row_bytes) {
    return align_up(static_cast<size_t>(rows * row_bytes));
  }
  // Floats in a whole number of 64-byte lines.
  static size_t floats(int64_t count) {
    return align_up(static_cast<size_t>(count) * sizeof(float)) / sizeof(float);
  }
  static size_t bytes(int64_t rows, int64_t row_bytes) {
    return bytes_of_q(rows, row_bytes) +
           (2 * floats(rows) + floats(rows * kernels::kMaxOutliers)) * sizeof(float);
  }

  uint8_t* q;
  float* scale;
  float* low;
  float* outliers;
};

// Quantizes its input row by row into scratch and multiplies. Members of a team quantize all rows
// each: for one row that is a few nanoseconds a hundred columns, a barrier would cost more.
class MatMulS8Step final : public Step {
 public:
  MatMulS8Step(const graph::Node& node, Lowering& lowering)
      : x_(node.inputs[0]),
        residual_(node.input(3)),
        y_(node.output),
        symbol_(lowering.shape(node.inputs[0])[0].symbol),
        rounds_(lowering.is_bf16(node.output)),
        weight_(lowering.pack_gemm_s8(node)),
        quantize_kernel_(&kernels::select_quantize_rows(lowering.isas())) {
    args_.n = lowering.columns(node.output);
    args_.k = lowering.columns(node.inputs[0]);
    args_.lda = kernels::quantized_row_bytes(args_.k);
    args_.ldr = args_.n;
    args_.ldc = args_.n;
    args_.packed = weight_->memory.data();
    args_.bias = lowering.optional_constant(node.input(2));
    args_.activation = node.attribute<graph::MatMulAttributes>().activation;
    quantize_.width = args_.k;
    quantize_.ldx = args_.k;
    quantize_.ldq = args_.lda;
    take_outliers(node, lowering);
    take_scale(node, lowering);
  }

  void run(const StepContext& context) const noexcept override {
    const int64_t rows = context.block->units(symbol_);
    const Share panels = share_of(kernels::gemm_s8_panels(*weight_->kernel, args_.n), context);
    if (rows == 0 || panels.begin == panels.end) return;
    const Scratch scratch(context.scratch, rows, args_.lda);
    kernels::QuantizeRowsArgs quantize = quantize_;
    quantize.rows = rows;
    quantize.x = context.value<const float>(x_);
    quantize.q = scratch.q;
    quantize.scale = scratch.scale;
    quantize.low = scratch.low;
    quantize.outlier_values = scratch.outliers;
    quantize_kernel_->run(quantize);
    kernels::GemmS8Args args = args_;
    args.m = rows;
    args.a = scratch.q;
    args.scale = scratch.scale;
    args.low = scratch.low;
    args.outlier_values = scratch.outliers;
    if (rounds_) {
      args.c_bf16 = context.value<uint16_t>(y_);
    } else {
      args.c = context.value<float>(y_);
    }
    if (residual_ != graph::kNoValue) args.residual = context.value<const float>(residual_);
    weight_->kernel->run(args, panels.begin, panels.end);
  }

  [[nodiscard]] size_t scratch_bytes(int64_t rows, int64_t /*max_seqlen*/) const override {
    return Scratch::bytes(rows, args_.lda);
  }
  [[nodiscard]] std::string_view kernel() const override { return weight_->kernel->name; }
  [[nodiscard]] double operations(const Block& block) const override {
    return 2.0 * static_cast<double>(block.units(symbol_)) * static_cast<double>(args_.n) *
           static_cast<double>(args_.k);
  }

 private:
  // The graph holds the outliers' weights as [n, outliers]; the kernel reads them row by row.
  void take_outliers(const graph::Node& node, const Lowering& lowering) {
    if (node.input(kOutlierColumns) == graph::kNoValue) return;
    const auto columns =
        lowering.graph().value(node.inputs[kOutlierColumns]).constant->as<int32_t>();
    outlier_columns_.assign(columns.begin(), columns.end());
    const float* weights = lowering.constant(node.inputs[kOutlierWeight]);
    for (size_t r = 0; r < columns.size(); ++r) {
      for (int64_t i = 0; i < args_.n; ++i) {
        outlier_weights_.push_back(weights[static_cast<size_t>(i) * columns.size() + r]);
      }
    }
    args_.outliers = static_cast<int64_t>(columns.size());
    args_.outlier_weights = outlier_weights_.data();
    quantize_.outliers = args_.outliers;
    quantize_.outlier_columns = outlier_columns_.data();
  }

  void take_scale(const graph::Node& node, const Lowering& lowering) {
    quantize_.multiply = lowering.optional_constant(node.input(kMultiplier));
    quantize_.offset = lowering.optional_constant(node.input(kOffset));
  }

  graph::ValueId x_;
  graph::ValueId residual_;
  graph::ValueId y_;
  graph::Symbol symbol_;
  bool rounds_;  // its output to bf16
  std::shared_ptr<const PackedS8> weight_;
  const kernels::QuantizeRowsKernel* quantize_kernel_;
  kernels::GemmS8Args args_;
  kernels::QuantizeRowsArgs quantize_;
  std::vector<int32_t> outlier_columns_;
  std::vector<float> outlier_weights_;  // [outliers, n]
};

}  // namespace

std::unique_ptr<Step> lower_matmul_s8(const graph::Node& node, Lowering& lowering) {
  const graph::Quantizer* input = enabled_mark(node, 0);
  if (input == nullptr || input->scheme != graph::QuantScheme::kPerTokenU8) {
    fail(ErrorCode::kUnsupported, "MatMul at \"", node.scope, "\": the integer kernels take an ",
         "input mark that is on and per_token_u8",
         input == nullptr ? std::string() : cat(", not ", graph::scheme_name(input->scheme)));
  }
  return std::make_unique<MatMulS8Step>(node, lowering);
}

}  // namespace tamis::runtime
