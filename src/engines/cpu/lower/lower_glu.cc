#include "engines/cpu/lower/lower_quantize_rows.h"
#include "kernels/cpu/elementwise/elementwise.h"

namespace tamis::engines::cpu {

namespace {

kernels::GluArgs glu_args(const graph::Node& node, const Lowering& lowering) {
  const auto& attributes = node.attribute<graph::GluAttributes>();
  kernels::GluArgs args;
  args.activation = attributes.activation;
  args.width = args.ldy = lowering.columns(node.output);
  args.ldx = 2 * args.width;
  args.gate_column = attributes.gate_first ? 0 : args.width;
  args.up_column = attributes.gate_first ? args.width : 0;
  return args;
}

// Where an integer product alone reads the result, it is quantized row by row and not stored.
class GluStep final : public Step {
 public:
  GluStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(graph::Operand::kX)),
        y_(node.output),
        symbol_(lowering.shape(node.output).symbol()),
        read_(lowering.dtype(x_)),
        stored_(lowering.dtype(y_)),
        kernel_(&kernels::select_elementwise(lowering.isas())),
        quantize_kernel_(&kernels::select_quantize_rows(lowering.isas())),
        copy_(copy_made_with(node.output, lowering)),
        args_(glu_args(node, lowering)) {}

  void run(const StepContext& context) const noexcept override {
    const int64_t total = context.block->units(symbol_);
    const Share rows = share_of(total, context);
    if (rows.begin == rows.end) return;
    kernels::GluArgs args = args_;
    args.rows = rows.end - rows.begin;
    read_from(context, rows.begin * args.ldx, args);
    if (copy_.id != graph::kNoValue) {
      return quantize_kernel_->run_glu(
          args, quantize_into(copy_.parameters, context.value<std::byte>(copy_.id), total, rows));
    }
    write_to(context, rows.begin * args.ldy, args);
    kernel_->glu(args);
  }

  [[nodiscard]] std::string_view kernel() const override {
    return copy_.id == graph::kNoValue ? kernel_->name : quantize_kernel_->name;
  }

 private:
  void read_from(const StepContext& context, int64_t first, kernels::GluArgs& args) const {
    if (read_ == DType::kF16) {
      args.x_f16 = context.value<const uint16_t>(x_) + first;
    } else if (read_ == DType::kBF16) {
      args.x_bf16 = context.value<const uint16_t>(x_) + first;
    } else {
      args.x = context.value<const float>(x_) + first;
    }
  }
  void write_to(const StepContext& context, int64_t first, kernels::GluArgs& args) const {
    if (stored_ == DType::kF16) {
      args.y_f16 = context.value<uint16_t>(y_) + first;
    } else if (stored_ == DType::kBF16) {
      args.y_bf16 = context.value<uint16_t>(y_) + first;
    } else {
      args.y = context.value<float>(y_) + first;
    }
  }

  graph::ValueId x_;
  graph::ValueId y_;
  graph::Symbol symbol_;
  DType read_;
  DType stored_;
  const kernels::ElementwiseKernel* kernel_;
  const kernels::QuantizeRowsKernel* quantize_kernel_;
  ProducedCopy copy_;
  kernels::GluArgs args_;
};

}  // namespace

std::unique_ptr<Step> lower_glu(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<GluStep>(node, lowering);
}

}  // namespace tamis::engines::cpu
