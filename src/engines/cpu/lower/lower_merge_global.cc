// Rows of the tokens that all others see, between those of the others.
#include <cstring>

#include "engines/cpu/attention_terms.h"
#include "engines/cpu/lowering.h"
#include "kernels/reference/global_tokens.h"

namespace tamis::engines::cpu {

namespace {

class MergeGlobalStep final : public Step {
 public:
  MergeGlobalStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(graph::Operand::kX)),
        global_(node.operand(graph::Operand::kY)),
        ids_(node.operand(graph::Operand::kIds)),
        y_(node.output),
        rule_(global_rule(node.attribute<graph::MergeGlobalAttributes>().rule)),
        separator_(static_cast<int32_t>(node.attribute<graph::MergeGlobalAttributes>().separator)),
        row_bytes_(static_cast<size_t>(lowering.columns(y_)) * sizeof(float)) {
    TAMIS_CHECK(lowering.dtype(x_) == DType::kF32 && lowering.dtype(global_) == DType::kF32);
    lowering.limit_unseen({}, false);
  }

  void run(const StepContext& context) const noexcept override {
    const auto* ids = context.value<const int32_t>(ids_);
    const Share sequences = share_of(context.block->sequences(), context);
    for (int64_t s = sequences.begin; s < sequences.end; ++s) {
      const int64_t begin = context.cu_seqlens[s];
      const int64_t count = context.cu_seqlens[s + 1] - begin;
      const auto range = kernels::reference::global_tokens(rule_, separator_, ids + begin, count);
      copy(context, x_, {begin, begin + range.begin});
      copy(context, global_, {begin + range.begin, begin + range.end});
      copy(context, x_, {begin + range.end, begin + count});
    }
  }

  [[nodiscard]] std::string_view kernel() const override { return "merge_global"; }

 private:
  void copy(const StepContext& context, graph::ValueId from, Share rows) const {
    const size_t at = static_cast<size_t>(rows.begin) * row_bytes_;
    std::memcpy(context.value<std::byte>(y_) + at, context.value<const std::byte>(from) + at,
                static_cast<size_t>(rows.end - rows.begin) * row_bytes_);
  }

  graph::ValueId x_;
  graph::ValueId global_;
  graph::ValueId ids_;
  graph::ValueId y_;
  kernels::GlobalRule rule_;
  int32_t separator_;
  size_t row_bytes_;
};

}  // namespace

std::unique_ptr<Step> lower_merge_global(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<MergeGlobalStep>(node, lowering);
}

}  // namespace tamis::engines::cpu
