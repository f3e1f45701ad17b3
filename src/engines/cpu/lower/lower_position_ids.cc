#include <algorithm>

#include "engines/cpu/lowering.h"
#include "kernels/reference/reference.h"

namespace tamis::engines::cpu {

namespace {

// A pass over a few hundred integers: worker 0 does it alone.
class PositionIdsStep final : public Step {
 public:
  explicit PositionIdsStep(const graph::Node& node)
      : input_ids_(node.operand(graph::Operand::kIds)),
        y_(node.output),
        attributes_(node.attribute<graph::PositionIdsAttributes>()) {}

  void run(const StepContext& context) const noexcept override {
    if (context.worker != 0) return;
    const auto tokens = static_cast<size_t>(context.block->tokens());
    const std::span<int32_t> out(context.value<int32_t>(y_), tokens);
    if (context.position_ids != nullptr) {
      std::copy_n(context.position_ids, tokens, out.begin());
      return;
    }
    const std::span<const int32_t> cu_seqlens(context.cu_seqlens,
                                              static_cast<size_t>(context.block->sequences()) + 1);
    if (attributes_.rule == graph::PositionRule::kAbsolute) {
      kernels::reference::position_ids(cu_seqlens, out);
    } else {
      kernels::reference::position_ids_roberta({context.value<const int32_t>(input_ids_), tokens},
                                               cu_seqlens,
                                               static_cast<int32_t>(attributes_.padding_idx), out);
    }
  }

  [[nodiscard]] std::string_view kernel() const override { return "position_ids"; }

 private:
  graph::ValueId input_ids_;
  graph::ValueId y_;
  graph::PositionIdsAttributes attributes_;
};

// The same of ids that a decoder reads.
class ShiftIdsStep final : public Step {
 public:
  explicit ShiftIdsStep(const graph::Node& node)
      : ids_(node.operand(graph::Operand::kIds)),
        y_(node.output),
        attributes_(node.attribute<graph::ShiftIdsAttributes>()) {}

  void run(const StepContext& context) const noexcept override {
    if (context.worker != 0) return;
    const auto tokens = static_cast<size_t>(context.block->tokens());
    kernels::reference::shift_ids(
        {context.value<const int32_t>(ids_), tokens},
        {context.cu_seqlens, static_cast<size_t>(context.block->sequences()) + 1},
        static_cast<int32_t>(attributes_.first), static_cast<int32_t>(attributes_.padding_idx),
        {context.value<int32_t>(y_), tokens});
  }

  [[nodiscard]] std::string_view kernel() const override { return "shift_ids"; }

 private:
  graph::ValueId ids_;
  graph::ValueId y_;
  graph::ShiftIdsAttributes attributes_;
};

}  // namespace

std::unique_ptr<Step> lower_shift_ids(const graph::Node& node, Lowering& lowering) {
  // What a token reads is the one before it, which may be one that none sees.
  lowering.limit_unseen({}, false);
  return std::make_unique<ShiftIdsStep>(node);
}

std::unique_ptr<Step> lower_position_ids(const graph::Node& node, Lowering&) {
  return std::make_unique<PositionIdsStep>(node);
}

}  // namespace tamis::engines::cpu
