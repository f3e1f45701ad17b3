// Rows of tokens to rows of sequences, and rows that are picked out.
#include "engines/cpu/pool_kinds.h"
#include "engines/cuda/lowering.h"

namespace tamis::engines::cuda {

using graph::Operand;
using graph::Symbol;
using tamis::cuda::KernelId;

namespace {

class PoolStep final : public Step {
 public:
  PoolStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(Operand::kX)),
        y_(node.output),
        kinds_(cpu::pool_kinds(node)),
        width_(lowering.columns(x_)),
        sequences_(lowering.array(ArrayKind::kRows, Symbol::kSequences)),
        cu_seqlens_(lowering.array(ArrayKind::kCuSeqlens)),
        unpooled_(lowering.array(ArrayKind::kUnpooled)) {
    TAMIS_CHECK(lowering.stored(x_) == tamis::cuda::Stored::kF32);
  }

  void launch(const StepContext& context) const override {
    tamis::cuda::PoolingParams params;
    params.sequences = context.array(sequences_);
    params.cu_seqlens = context.array(cu_seqlens_);
    params.unpooled = context.array(unpooled_);
    params.width = width_;
    params.x = context.value<const float>(x_);
    params.y = context.value<float>(y_);
    params.ldy = width_ * static_cast<int>(kinds_.size());
    constexpr int kThreads = tamis::cuda::kPoolingThreads;
    for (const Pooling kind : kinds_) {
      params.kind = kind;
      context.launch(KernelId::k_pooling, context.extent.sequences,
                     (width_ + kThreads - 1) / kThreads, params);
      params.y += width_;
    }
  }

 private:
  graph::ValueId x_;
  graph::ValueId y_;
  std::vector<Pooling> kinds_;
  int width_;
  int sequences_;
  int cu_seqlens_;
  int unpooled_;
};

// Copies rows, of whatever type they are kept in, from the places that an array names.
class SelectStep final : public Step {
 public:
  SelectStep(const graph::Node& node, int from, int parts, Lowering& lowering)
      : x_(node.operand(Operand::kX)),
        y_(node.output),
        symbol_(lowering.symbol(node.output)),
        rows_(lowering.array(ArrayKind::kRows, symbol_)),
        from_(from),
        parts_(parts),
        units_(lowering.columns(x_) * stored_bytes(lowering.stored(x_)) / 2) {
    TAMIS_CHECK(lowering.stored(x_) == lowering.stored(y_));
  }

  void launch(const StepContext& context) const override {
    tamis::cuda::SelectParams params;
    params.rows = context.array(rows_);
    params.from = context.array(from_);
    params.parts = parts_;
    params.units = units_;
    params.x = context.value<const uint16_t>(x_);
    params.y = context.value<uint16_t>(y_);
    context.launch(KernelId::k_select, context.extent.rows(symbol_), 1, params);
  }

 private:
  graph::ValueId x_;
  graph::ValueId y_;
  Symbol symbol_;
  int rows_;
  int from_;
  int parts_;
  int units_;
};

}  // namespace

std::unique_ptr<Step> lower_pool(const graph::Node& node, Lowering& lowering) {
  if (lowering.symbol(node.operand(Operand::kX)) == Symbol::kFirst) {
    lowering.limits().pool_over_all();
    return std::make_unique<SelectStep>(node, lowering.array(ArrayKind::kFilled), 1, lowering);
  }
  if (node.has(Operand::kIds)) {
    require_batch_ids(node, lowering.graph());
    const auto& fields = node.attribute<graph::PoolAttributes>();
    lowering.limits().require_token(fields.token);
    lowering.limits().limit_unseen({}, false);  // the last token may be one that none sees
    const int last = lowering.arrays().add({.kind = ArrayKind::kLastOf,
                                            .symbol = Symbol::kSequences,
                                            .padding_idx = fields.padding_idx,
                                            .token = fields.token});
    return std::make_unique<SelectStep>(node, last, 1, lowering);
  }
  return std::make_unique<PoolStep>(node, lowering);
}

std::unique_ptr<Step> lower_select(const graph::Node& node, Lowering& lowering) {
  const Symbol symbol = lowering.symbol(node.output);
  return std::make_unique<SelectStep>(node, lowering.array(ArrayKind::kTokenOf, symbol), 1,
                                      lowering);
}

std::unique_ptr<Step> lower_unfold(const graph::Node& node, Lowering& lowering) {
  const int64_t width = node.attribute<graph::UnfoldAttributes>().width;
  const int around = lowering.arrays().add(
      {.kind = ArrayKind::kAround, .symbol = Symbol::kTokens, .width = width});
  lowering.limits().limit_unseen({}, false);
  return std::make_unique<SelectStep>(node, around, static_cast<int>(width), lowering);
}

}  // namespace tamis::engines::cuda
