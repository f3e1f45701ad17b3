#include <algorithm>

#include "kernels/cpu/attention_f32/attention_f32.h"
#include "runtime/lowering.h"

namespace tamis::runtime {

namespace {

class AttentionStep final : public Step {
 public:
  AttentionStep(const graph::Node& node, const Lowering& lowering)
      : y_(node.output), kernel_(&kernels::select_attention_f32(lowering.isas())) {
    const auto& attributes = node.attribute<graph::AttentionAttributes>();
    const int64_t width = lowering.columns(node.output);
    merged_ = node.inputs.size() == 1;
    for (size_t i = 0; i < 3; ++i) qkv_[i] = node.inputs[merged_ ? 0 : i];
    const int64_t stride = merged_ ? 3 * width : width;
    args_.heads = attributes.heads;
    args_.head_size = width / attributes.heads;
    args_.scale = attributes.scale;
    args_.ldq = stride;
    args_.ldk = stride;
    args_.ldv = stride;
    args_.ldo = width;
  }

  void run(const StepContext& context) const noexcept override {
    const int64_t width = args_.heads * args_.head_size;
    kernels::AttentionArgs args = args_;
    args.cu_seqlens = context.cu_seqlens;
    args.sequences = context.block->sequences();
    args.q = context.value<const float>(qkv_[0]);
    args.k = context.value<const float>(qkv_[1]) + (merged_ ? width : 0);
    args.v = context.value<const float>(qkv_[2]) + (merged_ ? 2 * width : 0);
    args.out = context.value<float>(y_);
    // (sequence, head) pairs in a line, cut evenly; a worker's cut may start within a sequence.
    const Share share = share_of(args.sequences * args.heads, context);
    for (int64_t unit = share.begin; unit < share.end;) {
      kernels::AttentionWork work;
      work.sequence = unit / args.heads;
      work.head_begin = unit % args.heads;
      work.head_end = std::min(args.heads, work.head_begin + share.end - unit);
      work.row_end = args.cu_seqlens[work.sequence + 1] - args.cu_seqlens[work.sequence];
      unit += work.head_end - work.head_begin;
      if (work.row_end > 0) kernel_->run(args, work, context.scratch);
    }
  }

  [[nodiscard]] size_t scratch_bytes(int64_t /*rows*/, int64_t max_seqlen) const override {
    return kernel_->scratch_bytes(max_seqlen, args_.head_size);
  }
  [[nodiscard]] std::string_view kernel() const override { return kernel_->name; }
  [[nodiscard]] double operations(const Block& block) const override {
    // Two products of 2 operations for each (query, key) pair and channel.
    return 4.0 * static_cast<double>(block.pairs) * static_cast<double>(args_.ldo);
  }

 private:
  graph::ValueId qkv_[3] = {};
  graph::ValueId y_;
  bool merged_ = false;
  const kernels::AttentionF32Kernel* kernel_;
  kernels::AttentionArgs args_;
};

}  // namespace

std::unique_ptr<Step> lower_simulated_attention(const graph::Node& node, Lowering& lowering,
                                                const graph::Quantizer& probabilities);

std::unique_ptr<Step> lower_attention(const graph::Node& node, Lowering& lowering) {
  for (const graph::Quantizer& mark : node.quantizers) {
    // Those of q, k and v are nodes of their own by now.
    if (!lowering.options().simulate_quantization || !mark.enabled || mark.operand != 3) continue;
    return lower_simulated_attention(node, lowering, mark);
  }
  return std::make_unique<AttentionStep>(node, lowering);
}

}  // namespace tamis::runtime
