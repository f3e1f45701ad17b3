#include <algorithm>

#include "engines/cpu/lowering.h"
#include "engines/cpu/pool_kinds.h"
#include "kernels/cpu/pooling/pooling.h"
#include "kernels/reference/reference.h"

namespace tamis::engines::cpu {

namespace {

class PoolStep final : public Step {
 public:
  PoolStep(const graph::Node& node, const Lowering& lowering)
      : x_(node.operand(graph::Operand::kX)),
        y_(node.output),
        kernel_(&kernels::select_pooling(lowering.isas())),
        kinds_(pool_kinds(node)),
        width_(lowering.columns(node.operand(graph::Operand::kX))) {}

  void run(const StepContext& context) const noexcept override {
    const Share rows = share_of(context.block->sequences(), context);
    if (rows.begin == rows.end) return;
    kernels::PoolingArgs args;
    args.cu_seqlens = context.cu_seqlens + rows.begin;
    args.sequences = rows.end - rows.begin;
    args.width = width_;
    args.x = context.value<const float>(x_);
    args.ldx = width_;
    args.ldy = width_ * static_cast<int64_t>(kinds_.size());
    args.y = context.value<float>(y_) + rows.begin * args.ldy;
    if (context.unpooled != nullptr) args.unpooled = context.unpooled + rows.begin;
    for (const Pooling kind : kinds_) {
      args.kind = kind;
      kernel_->run(args);
      args.y += width_;
    }
  }

  [[nodiscard]] std::string_view kernel() const override { return kernel_->name; }

 private:
  graph::ValueId x_;
  graph::ValueId y_;
  const kernels::PoolingKernel* kernel_;
  std::vector<Pooling> kinds_;
  int64_t width_;
};

// The last row of each sequence whose token is not the padding, its first where all are; or whose
// token is the one that each has.
class LastTokenStep final : public Step {
 public:
  LastTokenStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(graph::Operand::kX)),
        ids_(node.operand(graph::Operand::kIds)),
        y_(node.output),
        padding_(node.attribute<graph::PoolAttributes>().padding_idx),
        token_(node.attribute<graph::PoolAttributes>().token),
        width_(lowering.columns(node.operand(graph::Operand::kX))) {
    lowering.require_token(token_);
    lowering.limit_unseen({}, false);  // the last token may be one that none sees
  }

  void run(const StepContext& context) const noexcept override {
    const Share rows = share_of(context.block->sequences(), context);
    const auto* x = context.value<const float>(x_);
    auto* y = context.value<float>(y_);
    for (int64_t s = rows.begin; s < rows.end; ++s) {
      if (context.cu_seqlens[s] == context.cu_seqlens[s + 1]) {
        std::fill_n(y + s * width_, width_, 0.0f);
      } else {
        std::copy_n(x + last_token(context, s) * width_, width_, y + s * width_);
      }
    }
  }

  [[nodiscard]] std::string_view kernel() const override { return "last_token"; }

 private:
  [[nodiscard]] int64_t last_token(const StepContext& context, int64_t sequence) const {
    const auto* ids = context.value<const int32_t>(ids_);
    return kernels::reference::last_place_of({ids, static_cast<size_t>(context.block->tokens())},
                                             context.cu_seqlens[sequence],
                                             context.cu_seqlens[sequence + 1], token_, padding_);
  }

  graph::ValueId x_;
  graph::ValueId ids_;
  graph::ValueId y_;
  int64_t padding_;
  int64_t token_;
  int64_t width_;
};

}  // namespace

std::unique_ptr<Step> lower_pool_of_first_tokens(const graph::Node& node, Lowering& lowering);

std::unique_ptr<Step> lower_sequence_pool(const graph::Node& node, Lowering& lowering) {
  if (lowering.shape(node.operand(graph::Operand::kX))[0].symbol == graph::Symbol::kFirst) {
    lowering.pool_over_all();
    return lower_pool_of_first_tokens(node, lowering);
  }
  if (node.has(graph::Operand::kIds)) return std::make_unique<LastTokenStep>(node, lowering);
  return std::make_unique<PoolStep>(node, lowering);
}

std::unique_ptr<Step> lower_vocabulary_pool(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<PoolStep>(node, lowering);
}

}  // namespace tamis::engines::cpu
