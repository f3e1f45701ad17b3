#include "engines/cpu/lower/lower_quantize_rows.h"

namespace tamis::engines::cpu {

namespace {

class QuantizeStep final : public Step {
 public:
  QuantizeStep(size_t index, Lowering& lowering)
      : x_(lowering.quantized_rows()[index].x),
        copy_(lowering.quantized_id(index)),
        symbol_(lowering.quantized_rows()[index].symbol),
        dtype_(lowering.dtype(x_)),
        kernel_(&kernels::select_quantize_rows(lowering.isas())),
        parameters_(make_quantize_args(lowering.quantized_rows()[index], lowering)) {}

  void run(const StepContext& context) const noexcept override {
    const int64_t total = context.block->units(symbol_);
    const Share rows = share_of(total, context);
    if (rows.begin == rows.end) return;
    kernels::QuantizeRowsArgs args =
        quantize_into(parameters_, context.value<std::byte>(copy_), total, rows);
    const int64_t first = rows.begin * args.ldx;
    if (dtype_ == DType::kF16) {
      args.x_f16 = context.value<const uint16_t>(x_) + first;
    } else if (dtype_ == DType::kBF16) {
      args.x_bf16 = context.value<const uint16_t>(x_) + first;
    } else {
      args.x = context.value<const float>(x_) + first;
    }
    kernel_->run(args);
  }

  [[nodiscard]] std::string_view kernel() const override { return kernel_->name; }

 private:
  graph::ValueId x_;
  graph::ValueId copy_;
  graph::Symbol symbol_;
  DType dtype_;
  const kernels::QuantizeRowsKernel* kernel_;
  kernels::QuantizeRowsArgs parameters_;
};

}  // namespace

kernels::QuantizeRowsArgs quantize_into(const kernels::QuantizeRowsArgs& parameters,
                                        std::byte* memory, int64_t total, Share rows) {
  const QuantizedView view(memory, total);
  kernels::QuantizeRowsArgs args = parameters;
  args.rows = rows.end - rows.begin;
  args.q = view.q + rows.begin * args.ldq;
  args.scale = view.scale + rows.begin;
  args.low = view.low + rows.begin;
  args.outlier_values = view.outliers + rows.begin * kMaxOutliers;
  return args;
}

kernels::QuantizeRowsArgs make_quantize_args(const QuantizedRows& copy, const Lowering& lowering) {
  kernels::QuantizeRowsArgs args;
  args.width = copy.width;
  args.ldx = copy.width;
  args.ldq = kernels::quantized_row_bytes(copy.width);
  args.multiply = lowering.optional_constant(copy.multiplier);
  args.offset = lowering.optional_constant(copy.offset);
  if (copy.outlier_columns != graph::kNoValue) {
    const auto columns = lowering.graph().value(copy.outlier_columns).constant->as<int32_t>();
    args.outliers = static_cast<int64_t>(columns.size());
    args.outlier_columns = columns.data();
  }
  return args;
}

ProducedCopy copy_made_with(graph::ValueId x, const Lowering& lowering) {
  for (size_t i = 0; i < lowering.quantized_rows().size(); ++i) {
    const QuantizedRows& copy = lowering.quantized_rows()[i];
    if (copy.by_producer && copy.x == x) {
      return {lowering.quantized_id(i), make_quantize_args(copy, lowering)};
    }
  }
  return {};
}

std::unique_ptr<Step> make_quantize_step(size_t index, Lowering& lowering) {
  return std::make_unique<QuantizeStep>(index, lowering);
}

}  // namespace tamis::engines::cpu
