// Floats through integers and back, by the reference arithmetic that integer kernels match.
#include <algorithm>

#include "engines/cpu/lowering.h"
#include "kernels/cpu/fake_quantize/fake_quantize.h"

namespace tamis::engines::cpu {

namespace {

namespace reference = kernels::reference;

using graph::Operand;

kernels::FakeQuantizer quantizer_of(const graph::FakeQuantizeAttributes& attributes, IsaSet isas) {
  return {attributes.scheme, attributes.low, attributes.high, isas};
}

class FakeQuantizeStep final : public Step {
 public:
  FakeQuantizeStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(Operand::kX)),
        y_(node.output),
        symbol_(lowering.shape(node.output)[0].symbol),
        width_(lowering.columns(node.output)),
        attributes_(node.attribute<graph::FakeQuantizeAttributes>()),
        multiplier_(lowering.optional_constant(node.operand(Operand::kInputMultiplier))),
        offset_(lowering.optional_constant(node.operand(Operand::kInputOffset))),
        group_(quantizer_of(attributes_, lowering.isas())) {
    if (attributes_.columns == 0) attributes_.columns = width_ - attributes_.first_column;
    if (node.has(Operand::kOutlierColumns)) {
      outlier_constant_ = lowering.graph().value(node.operand(Operand::kOutlierColumns)).constant;
      outliers_ = outlier_constant_->as<int32_t>();
    }
  }

  void run(const StepContext& context) const noexcept override {
    const Share rows = share_of(context.block->units(symbol_), context);
    const int64_t size = attributes_.columns / attributes_.groups;
    for (int64_t i = rows.begin; i < rows.end; ++i) {
      const float* x = context.value<const float>(x_) + i * width_;
      float* y = context.value<float>(y_) + i * width_;
      const int64_t first = attributes_.first_column;
      std::copy_n(x, first, y);
      const int64_t behind = first + attributes_.columns;
      std::copy_n(x + behind, width_ - behind, y + behind);
      for (int64_t j = first; j < behind; j += size) {
        reference::RowToQuantize row;
        row.x = {x + j, static_cast<size_t>(size)};
        if (offset_ != nullptr) row.offset = offset_ + j;
        if (multiplier_ != nullptr) row.multiplier = multiplier_ + j;
        group_.run(row, outliers_, y + j, context.scratch);
      }
    }
  }

  [[nodiscard]] size_t scratch_bytes(int64_t /*rows*/, int64_t /*max_seqlen*/) const override {
    return static_cast<size_t>(width_) + 3;
  }
  [[nodiscard]] std::string_view kernel() const override { return "fake_quantize_reference"; }

 private:
  graph::ValueId x_;
  graph::ValueId y_;
  graph::Symbol symbol_;
  int64_t width_;
  graph::FakeQuantizeAttributes attributes_;
  const float* multiplier_;
  const float* offset_;
  std::shared_ptr<const Tensor> outlier_constant_;
  std::span<const int32_t> outliers_;
  kernels::FakeQuantizer group_;
};

// Probabilities of attention before its fusion, a row a query. Worker 0 does it alone.
class FakeQuantizePairsStep final : public Step {
 public:
  FakeQuantizePairsStep(const graph::Node& node, const Lowering& lowering)
      : x_(node.operand(Operand::kX)),
        y_(node.output),
        heads_(lowering.shape(node.output)[0].size),
        group_(quantizer_of(node.attribute<graph::FakeQuantizeAttributes>(), lowering.isas())) {}

  void run(const StepContext& context) const noexcept override {
    if (context.worker != 0) return;
    const auto* x = context.value<const float>(x_);
    auto* y = context.value<float>(y_);
    for (int64_t head = 0; head < heads_; ++head) {
      for (int64_t s = 0; s < context.block->sequences(); ++s) {
        const int64_t length = context.cu_seqlens[s + 1] - context.cu_seqlens[s];
        for (int64_t i = 0; i < length; ++i, x += length, y += length) {
          const auto n = static_cast<size_t>(length);
          std::copy_n(x, n, y);
          group_.run_probabilities({y, n}, context.scratch);
        }
      }
    }
  }

  [[nodiscard]] size_t scratch_bytes(int64_t /*rows*/, int64_t max_seqlen) const override {
    return static_cast<size_t>(max_seqlen) + 3;
  }
  [[nodiscard]] std::string_view kernel() const override { return "fake_quantize_reference"; }

 private:
  graph::ValueId x_;
  graph::ValueId y_;
  int64_t heads_;
  kernels::FakeQuantizer group_;
};

}  // namespace

std::unique_ptr<Step> lower_fake_quantize(const graph::Node& node, Lowering& lowering) {
  if (lowering.shape(node.output).symbol() == graph::Symbol::kPairs) {
    return std::make_unique<FakeQuantizePairsStep>(node, lowering);
  }
  return std::make_unique<FakeQuantizeStep>(node, lowering);
}

}  // namespace tamis::engines::cpu
