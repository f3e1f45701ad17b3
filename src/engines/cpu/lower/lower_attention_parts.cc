// Attention before its fusion, by the reference kernels: it runs when passes are off and as the
// oracle of the fusion. Worker 0 does it alone.
#include "engines/cpu/attention_terms.h"
#include "engines/cpu/lowering.h"
#include "kernels/reference/reference.h"

namespace tamis::engines::cpu {

namespace {

enum class Part { kScores, kSoftmax, kContext };

graph::ValueId first_operand(const graph::Node& node) {
  if (node.op == graph::OpKind::kSoftmax) return node.operand(graph::Operand::kScores);
  return node.operand(node.op == graph::OpKind::kAttentionScores ? graph::Operand::kQ
                                                                 : graph::Operand::kProbabilities);
}

graph::ValueId second_operand(const graph::Node& node) {
  return node.operand(node.op == graph::OpKind::kAttentionScores ? graph::Operand::kK
                                                                 : graph::Operand::kV);
}

class AttentionPartStep final : public Step {
 public:
  AttentionPartStep(const graph::Node& node, Lowering& lowering, Part part)
      : part_(part), x_(first_operand(node)), other_(second_operand(node)), y_(node.output) {
    const graph::SymbolicShape& scores = lowering.shape(part == Part::kScores ? node.output : x_);
    args_.heads = scores[0].size;
    if (part == Part::kSoftmax) return;
    const auto& fields = node.attribute<graph::AttentionAttributes>();
    const int64_t width = lowering.columns(other_);
    args_.scale = fields.scale;
    args_.kv_heads = fields.kv_heads;
    args_.head_size = width / fields.key_heads();
    args_.ldk = width;
    args_.ldv = width;
    args_.ldq = args_.head_size * fields.heads;
    args_.ldo = args_.ldq;
    if (part == Part::kScores) terms_ = NodeTerms(node, lowering);
    lowering.limit_unseen({}, false);
    args_.terms = terms_.get();
  }

  void run(const StepContext& context) const noexcept override {
    if (context.worker != 0) return;
    kernels::AttentionArgs args = args_;
    args.cu_seqlens = context.cu_seqlens;
    args.sequences = context.block->sequences();
    args.terms.ids = terms_.ids(context);
    const auto* x = context.value<const float>(x_);
    auto* y = context.value<float>(y_);
    switch (part_) {
      case Part::kScores:
        args.q = x;
        args.k = context.value<const float>(other_);
        return kernels::reference::attention_scores(args, y);
      case Part::kSoftmax:
        return kernels::reference::attention_softmax(args, x, y);
      case Part::kContext:
        args.v = context.value<const float>(other_);
        args.out = y;
        return kernels::reference::attention_context(args, x);
    }
  }

  [[nodiscard]] std::string_view kernel() const override { return "attention_parts_reference"; }
  [[nodiscard]] double operations(const Block& block) const override {
    return 2.0 * static_cast<double>(block.pairs) * static_cast<double>(args_.ldo);
  }

 private:
  Part part_;
  graph::ValueId x_;
  graph::ValueId other_;
  graph::ValueId y_;
  NodeTerms terms_;
  kernels::AttentionArgs args_;
};

}  // namespace

std::unique_ptr<Step> lower_attention_scores(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<AttentionPartStep>(node, lowering, Part::kScores);
}

std::unique_ptr<Step> lower_softmax(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<AttentionPartStep>(node, lowering, Part::kSoftmax);
}

std::unique_ptr<Step> lower_attention_context(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<AttentionPartStep>(node, lowering, Part::kContext);
}

}  // namespace tamis::engines::cpu
