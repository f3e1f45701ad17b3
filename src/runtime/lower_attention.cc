#include <compare>

#include "kernels/cpu/attention_bf16/attention_bf16.h"
#include "kernels/cpu/attention_f32/attention_f32.h"
#include "runtime/lowering.h"
#include "runtime/storage.h"

namespace tamis::runtime {

namespace {

/// Where q, k and v are: three values, or columns of one.
struct Operands {
  Operands(const graph::Node& node, const Lowering& lowering) {
    const int64_t width = lowering.columns(node.output);
    const bool merged = node.inputs.size() == 1;
    for (int64_t i = 0; i < 3; ++i) {
      value[i] = node.inputs[merged ? 0 : static_cast<size_t>(i)];
      first_column[i] = merged ? i * width : 0;
    }
    stride = merged ? 3 * width : width;
  }

  graph::ValueId value[3] = {};
  int64_t first_column[3] = {};
  int64_t stride = 0;
};

// Rows that a worker takes of a head are not worth packing its K and V for below this many: packing
// costs as much as about five rows.
constexpr int64_t kLeastRows = 24;

/// A place in the line of all (sequence, head, row) of a block.
struct Place {
  int64_t sequence = 0;
  int64_t head = 0;
  int64_t row = 0;

  friend auto operator<=>(const Place&, const Place&) = default;
};

int64_t length_of(const StepContext& context, int64_t sequence) {
  return context.cu_seqlens[sequence + 1] - context.cu_seqlens[sequence];
}

// Where worker `worker`'s share starts: shares have the same number of (query, key) pairs, but for
// what is gained by not cutting a head.
Place share_start(const StepContext& context, int64_t heads, int worker) {
  const int64_t sequences = context.block->sequences();
  int64_t pairs = context.block->pairs * heads * worker / context.workers;
  for (int64_t s = 0; s < sequences; ++s) {
    const int64_t length = length_of(context, s);
    const int64_t a_head = length * length;
    if (pairs >= a_head * heads) {
      pairs -= a_head * heads;
      continue;
    }
    Place place = {s, pairs / a_head, pairs % a_head / length};
    if (place.row < kLeastRows) {
      place.row = 0;
    } else if (place.row > length - kLeastRows) {
      place.row = 0;
      ++place.head;
    }
    return place.head == heads ? Place{s + 1, 0, 0} : place;
  }
  return {sequences, 0, 0};
}

// Calls body(work) for each piece of the worker's share.
template <typename Body>
void for_each_work(const StepContext& context, int64_t heads, const Body& body) {
  Place at = share_start(context, heads, context.worker);
  const Place end = share_start(context, heads, context.worker + 1);
  while (at < end) {
    const bool last_sequence = at.sequence == end.sequence;
    kernels::AttentionWork work;
    work.sequence = at.sequence;
    work.head_begin = at.head;
    work.head_end = at.head + 1;
    work.row_begin = at.row;
    work.row_end = length_of(context, at.sequence);
    if (last_sequence && at.head == end.head) {
      work.row_end = end.row;
    } else if (at.row == 0) {
      work.head_end = last_sequence ? end.head : heads;
    }
    if (work.row_begin < work.row_end) body(work);
    if (last_sequence && at.head == end.head) return;
    at = {at.sequence, work.head_end, 0};
    if (at.head == heads) at = {at.sequence + 1, 0, 0};
  }
}

// Two products of 2 operations for each (query, key) pair and channel.
double attention_operations(const Block& block, int64_t width) {
  return 4.0 * static_cast<double>(block.pairs) * static_cast<double>(width);
}

class AttentionStep final : public Step {
 public:
  AttentionStep(const graph::Node& node, const Lowering& lowering)
      : operands_(node, lowering),
        y_(node.output),
        kernel_(&kernels::select_attention_f32(lowering.isas())) {
    const auto& attributes = node.attribute<graph::AttentionAttributes>();
    args_.heads = attributes.heads;
    args_.ldo = lowering.columns(node.output);
    args_.head_size = args_.ldo / attributes.heads;
    args_.scale = attributes.scale;
    args_.ldq = args_.ldk = args_.ldv = operands_.stride;
  }

  void run(const StepContext& context) const noexcept override {
    kernels::AttentionArgs args = args_;
    args.cu_seqlens = context.cu_seqlens;
    args.sequences = context.block->sequences();
    args.q = context.value<const float>(operands_.value[0]) + operands_.first_column[0];
    args.k = context.value<const float>(operands_.value[1]) + operands_.first_column[1];
    args.v = context.value<const float>(operands_.value[2]) + operands_.first_column[2];
    args.out = context.value<float>(y_);
    for_each_work(context, args.heads, [&](const kernels::AttentionWork& work) {
      kernel_->run(args, work, context.scratch);
    });
  }

  [[nodiscard]] size_t scratch_bytes(int64_t /*rows*/, int64_t max_seqlen) const override {
    return kernel_->scratch_bytes(max_seqlen, args_.head_size);
  }
  [[nodiscard]] std::string_view kernel() const override { return kernel_->name; }
  [[nodiscard]] double operations(const Block& block) const override {
    return attention_operations(block, args_.ldo);
  }

 private:
  Operands operands_;
  graph::ValueId y_;
  const kernels::AttentionF32Kernel* kernel_;
  kernels::AttentionArgs args_;
};

class AttentionBf16Step final : public Step {
 public:
  AttentionBf16Step(const graph::Node& node, const Lowering& lowering)
      : operands_(node, lowering),
        y_(node.output),
        stored_(lowering.graph().value(node.output).dtype),
        kernel_(&kernels::select_attention_bf16(lowering.isas())) {
    const auto& attributes = node.attribute<graph::AttentionAttributes>();
    for (int i = 0; i < 3; ++i) rounded_[i] = lowering.is_bf16(operands_.value[i]);
    args_.heads = attributes.heads;
    args_.ldo = lowering.columns(node.output);
    args_.head_size = args_.ldo / attributes.heads;
    args_.scale = attributes.scale;
  }

  void run(const StepContext& context) const noexcept override {
    kernels::AttentionBf16Args args = args_;
    args.cu_seqlens = context.cu_seqlens;
    args.sequences = context.block->sequences();
    args.q = operand(context, 0);
    args.k = operand(context, 1);
    args.v = operand(context, 2);
    if (stored_ == DType::kBF16) {
      args.out_bf16 = context.value<uint16_t>(y_);
    } else if (stored_ == DType::kF16) {
      args.out_f16 = context.value<uint16_t>(y_);
    } else {
      args.out = context.value<float>(y_);
    }
    for_each_work(context, args.heads, [&](const kernels::AttentionWork& work) {
      kernel_->run(args, work, context.scratch);
    });
  }

  [[nodiscard]] size_t scratch_bytes(int64_t /*rows*/, int64_t max_seqlen) const override {
    return kernel_->scratch_bytes(max_seqlen, args_.head_size);
  }
  [[nodiscard]] std::string_view kernel() const override { return kernel_->name; }
  [[nodiscard]] double operations(const Block& block) const override {
    return attention_operations(block, args_.ldo);
  }

 private:
  [[nodiscard]] kernels::AttentionOperand operand(const StepContext& context, int i) const {
    kernels::AttentionOperand operand;
    operand.ld = operands_.stride;
    if (rounded_[i]) {
      operand.bf16 = context.value<const uint16_t>(operands_.value[i]) + operands_.first_column[i];
    } else {
      operand.f32 = context.value<const float>(operands_.value[i]) + operands_.first_column[i];
    }
    return operand;
  }

  Operands operands_;
  graph::ValueId y_;
  bool rounded_[3] = {};  // q, k, v
  DType stored_;          // its output
  const kernels::AttentionBf16Kernel* kernel_;
  kernels::AttentionBf16Args args_;
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
  if (arithmetic_of(lowering.graph(), node, lowering.options()) == Arithmetic::kBf16) {
    return std::make_unique<AttentionBf16Step>(node, lowering);
  }
  return std::make_unique<AttentionStep>(node, lowering);
}

}  // namespace tamis::runtime
