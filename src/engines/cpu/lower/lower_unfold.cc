// The rows around each token side by side, as a convolution over tokens multiplies them.
#include <cstring>

#include "engines/cpu/lowering.h"

namespace tamis::engines::cpu {

namespace {

class UnfoldStep final : public Step {
 public:
  UnfoldStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(graph::Operand::kX)),
        y_(node.output),
        width_(node.attribute<graph::UnfoldAttributes>().width),
        row_bytes_(static_cast<size_t>(lowering.columns(x_)) * dtype_bytes(lowering.dtype(x_))) {
    TAMIS_CHECK(lowering.dtype(x_) == lowering.dtype(y_));
    lowering.limit_unseen({}, false);
  }

  void run(const StepContext& context) const noexcept override {
    const Share rows = share_of(context.block->tokens(), context);
    int64_t sequence = 0;
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      while (row >= context.cu_seqlens[sequence + 1]) ++sequence;
      copy_around(context, row, {context.cu_seqlens[sequence], context.cu_seqlens[sequence + 1]});
    }
  }

  [[nodiscard]] std::string_view kernel() const override { return "unfold"; }

 private:
  // `sequence` is the token's own.
  void copy_around(const StepContext& context, int64_t row, Share sequence) const {
    const auto* x = context.value<const std::byte>(x_);
    auto* out = context.value<std::byte>(y_) + static_cast<size_t>(row * width_) * row_bytes_;
    for (int64_t from = row - width_ / 2; from <= row + width_ / 2; ++from, out += row_bytes_) {
      if (from < sequence.begin || from >= sequence.end) {
        std::memset(out, 0, row_bytes_);
      } else {
        std::memcpy(out, x + static_cast<size_t>(from) * row_bytes_, row_bytes_);
      }
    }
  }

  graph::ValueId x_;
  graph::ValueId y_;
  int64_t width_;
  size_t row_bytes_;
};

}  // namespace

std::unique_ptr<Step> lower_unfold(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<UnfoldStep>(node, lowering);
}

}  // namespace tamis::engines::cpu
