#include "engines/cuda/lower_rows.h"

#include <cstring>

#include "base/error.h"
#include "kernels/reference/short_gelu.h"

namespace tamis::engines::cuda {

using tamis::cuda::KernelId;
using tamis::cuda::RowShape;
using tamis::cuda::RowsParams;

namespace {

struct RowKernelChoice {
  KernelId id;
  RowShape shape;
};
constexpr RowKernelChoice kChoices[] = {
    {KernelId::k_rows_narrow, tamis::cuda::kNarrowRows},
    {KernelId::k_rows_wide, tamis::cuda::kWideRows},
    {KernelId::k_rows_widest, tamis::cuda::kWidestRows},
};

class QuantizeStep final : public Step {
 public:
  QuantizeStep(size_t copy, Lowering& lowering)
      : x_(lowering.copies()[copy].x), stored_(lowering.stored(x_)), rows_(copy, lowering) {}

  void launch(const StepContext& context) const override {
    RowsParams params;
    params.x = {context.value<const std::byte>(x_), stored_};
    rows_.launch(context, params);
  }

 private:
  graph::ValueId x_;
  tamis::cuda::Stored stored_;
  RowLaunch rows_;
};

}  // namespace

RowLaunch::RowLaunch(const graph::Node& node, Lowering& lowering)
    : width_(lowering.columns(node.output)),
      symbol_(lowering.symbol(node.output)),
      rows_array_(lowering.array(ArrayKind::kRows, symbol_)) {
  const auto* rms = std::get_if<graph::RmsNormAttributes>(&node.attributes);
  if (rms != nullptr) width_ /= static_cast<int>(rms->heads);
  choose_kernel(cat(graph::op_name(node.op), " at \"", node.scope, "\""));
  if (const auto copy = lowering.copy_made_with(node.output)) take_copy(*copy, lowering);
}

RowLaunch::RowLaunch(size_t copy, Lowering& lowering)
    : width_(static_cast<int>(lowering.copies()[copy].width)),
      symbol_(lowering.copies()[copy].symbol),
      rows_array_(lowering.array(ArrayKind::kRows, symbol_)) {
  choose_kernel(cat("quantizing \"", lowering.graph().value(lowering.copies()[copy].x).name, "\""));
  take_copy(copy, lowering);
}

void RowLaunch::choose_kernel(std::string_view what) {
  for (const RowKernelChoice& choice : kChoices) {
    if (width_ > choice.shape.most_columns()) continue;
    kernel_ = choice.id;
    block_rows_ = choice.shape.rows;
    return;
  }
  fail(ErrorCode::kUnsupported, what, ": rows of ", width_,
       " values; the CUDA engine has kernels up to ", kChoices[2].shape.most_columns());
}

void RowLaunch::take_copy(size_t index, Lowering& lowering) {
  const cpu::QuantizedRows& copy = lowering.copies()[index];
  copy_ = lowering.copy_id(index);
  stride_ = copy.stride();
  multiply_ = lowering.floats(copy.multiplier);
  offset_ = lowering.floats(copy.offset);
  if (copy.outlier_columns == graph::kNoValue) return;
  const std::shared_ptr<const Tensor>& columns =
      lowering.graph().value(copy.outlier_columns).constant;
  outlier_columns_ = lowering.constants().add<int32_t>(columns);
  outliers_ = static_cast<int>(columns->elements());
}

RowsParams RowLaunch::filled(const StepContext& context, RowsParams params) const {
  const int64_t rows = context.extent.rows(symbol_);
  params.rows = context.array(rows_array_);
  params.width = width_;
  if (makes_copy()) {
    const QuantizedView copy(context.value<std::byte>(copy_), rows, stride_);
    params.multiply = context.constant(multiply_);
    params.offset = context.constant(offset_);
    params.q = copy.q;
    params.ldq = static_cast<int>(stride_);
    params.scale = copy.scale;
    params.low = copy.low;
    params.outliers = outliers_;
    params.outlier_columns = context.constant(outlier_columns_);
    params.outlier_values = copy.outliers;
  }
  return params;
}

void RowLaunch::launch(const StepContext& context, RowsParams params) const {
  params = filled(context, params);
  const int64_t rows = context.extent.rows(symbol_);
  context.launch(kernel_, (rows * params.parts + block_rows_ - 1) / block_rows_, 1, params);
}

RowTailLaunch::RowTailLaunch(const graph::Node& node, Lowering& lowering) {
  if (const graph::Node* norm = lowering.norm_behind(node)) {
    rows_ = norm_rows(*norm, lowering);
  } else if (const auto copy = lowering.copy_made_with(node.output)) {
    rows_ = [launch = RowLaunch(*copy, lowering)](const StepContext& context) {
      return launch.filled(context, {});
    };
  } else {
    return;
  }
  finished_ = lowering.array(ArrayKind::kFinished, lowering.symbol(node.output));
}

tamis::cuda::RowTail RowTailLaunch::tail(const StepContext& context,
                                         const tamis::cuda::MutableValues& made) const {
  if (rows_ == nullptr) return {};
  RowsParams rows = rows_(context);
  rows.x = {made.data, made.stored};
  // The one array that kernels write, and leave as it was.
  return {const_cast<uint32_t*>(context.array<uint32_t>(finished_)), rows};
}

std::unique_ptr<Step> make_quantize_step(size_t copy, Lowering& lowering) {
  return std::make_unique<QuantizeStep>(copy, lowering);
}

Constant<float> short_gelu(Activation activation, Lowering& lowering) {
  if (activation != Activation::kGelu && activation != Activation::kGeluTanh) return {};
  const kernels::ShortGelu& fit =
      activation == Activation::kGelu ? kernels::kShortGeluErf : kernels::kShortGeluTanh;
  std::vector<float> numbers(sizeof(fit) / sizeof(float));
  std::memcpy(numbers.data(), &fit, sizeof(fit));
  return lowering.constants().add(std::move(numbers));
}

}  // namespace tamis::engines::cuda
