// Embeddings of masked tokens, and what they make of the others in their sequence.
#include "engines/cpu/lowering.h"
#include "kernels/cpu/elementwise/elementwise.h"
#include "kernels/reference/reference.h"

namespace tamis::engines::cpu {

namespace {

class TokenDropoutStep final : public Step {
 public:
  TokenDropoutStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(graph::Operand::kX)),
        ids_(node.operand(graph::Operand::kIds)),
        y_(node.output),
        width_(lowering.columns(y_)),
        attributes_(node.attribute<graph::TokenDropoutAttributes>()),
        kernel_(&kernels::select_elementwise(lowering.isas())) {
    lowering.limit_unseen({}, false);  // the share is one of all tokens
  }

  // Each worker counts for itself: the ids are little beside the rows.
  void run(const StepContext& context) const noexcept override {
    const auto tokens = static_cast<size_t>(context.block->tokens());
    const std::span<float> factors(reinterpret_cast<float*>(context.scratch), tokens);
    kernels::reference::token_dropout(
        {context.value<const int32_t>(ids_), tokens},
        {context.cu_seqlens, static_cast<size_t>(context.block->sequences()) + 1},
        static_cast<int32_t>(attributes_.mask_token), attributes_.kept, factors);
    const auto* x = context.value<const float>(x_);
    auto* y = context.value<float>(y_);
    const Share rows = share_of(context.block->tokens(), context);
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      kernel_->scale(width_, x + row * width_, factors[static_cast<size_t>(row)], y + row * width_);
    }
  }

  [[nodiscard]] size_t scratch_bytes(int64_t rows, int64_t /*max_seqlen*/) const override {
    return static_cast<size_t>(rows) * sizeof(float);
  }
  [[nodiscard]] std::string_view kernel() const override { return kernel_->name; }

 private:
  graph::ValueId x_;
  graph::ValueId ids_;
  graph::ValueId y_;
  int64_t width_;
  graph::TokenDropoutAttributes attributes_;
  const kernels::ElementwiseKernel* kernel_;
};

}  // namespace

std::unique_ptr<Step> lower_token_dropout(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<TokenDropoutStep>(node, lowering);
}

}  // namespace tamis::engines::cpu
