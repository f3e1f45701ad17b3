#include "base/error.h"
#include "engines/cpu/lower/lower_quantize_rows.h"
#include "kernels/cpu/embedding/embedding.h"

namespace tamis::engines::cpu {

using graph::Operand;

namespace {

/// A table and the value that indexes it.
struct TableOperand {
  Operand table = Operand::kTable;
  Operand ids = Operand::kIds;
};

void point_to(const Tensor& rows, kernels::EmbeddingTable& table) {
  if (rows.dtype() == DType::kF16) {
    table.f16 = rows.as<uint16_t>().data();
  } else if (rows.dtype() == DType::kBF16) {
    table.bf16 = rows.as<uint16_t>().data();
  } else if (rows.dtype() == DType::kI8) {
    table.s8 = rows.as<int8_t>().data();
  } else {
    TAMIS_CHECK(rows.dtype() == DType::kF32);
    table.rows = rows.as<float>().data();
  }
}

// Gather(table, ids) and EmbedLayerNormalization.
class EmbeddingStep final : public Step {
 public:
  EmbeddingStep(const graph::Node& node, Lowering& lowering, std::span<const TableOperand> operands)
      : y_(node.output),
        kernel_(&kernels::select_embedding(lowering.isas())),
        quantize_kernel_(&kernels::select_quantize_rows(lowering.isas())),
        copy_(copy_made_with(node.output, lowering)) {
    args_.width = lowering.columns(node.output);
    args_.ldy = args_.width;
    for (const TableOperand& operand : operands) {
      const graph::ValueId table = node.operand(operand.table);
      if (table == graph::kNoValue) continue;
      point_to(*lowering.graph().value(table).constant, args_.tables[tables_]);
      ids_[tables_] = node.operand(operand.ids);
      lowering.limit_ids(ids_[tables_], lowering.shape(table)[0].size);
      ++tables_;
    }
    args_.tables[0].scale = lowering.optional_constant(node.operand(Operand::kWeightScale));
  }

  void normalize(const graph::Node& node, const Lowering& lowering) {
    args_.gamma = lowering.constant(node.operand(Operand::kGamma));
    args_.beta = lowering.optional_constant(node.operand(Operand::kBeta));
    args_.eps = node.attribute<graph::LayerNormAttributes>().epsilon;
  }

  void run(const StepContext& context) const noexcept override {
    const int64_t total = context.block->tokens();
    const Share rows = share_of(total, context);
    kernels::EmbeddingArgs args = args_;
    args.tokens = rows.end - rows.begin;
    for (size_t i = 0; i < tables_; ++i) {
      const auto* ids = context.value<const int32_t>(ids_[i]);
      args.tables[i].ids = ids == nullptr ? nullptr : ids + rows.begin;
    }
    args.y = context.value<float>(y_) + rows.begin * args.width;
    if (args.tokens == 0) return;
    if (copy_.id == graph::kNoValue) return kernel_->run(args);
    quantize_kernel_->run_embedding(
        args, quantize_into(copy_.parameters, context.value<std::byte>(copy_.id), total, rows));
  }

  [[nodiscard]] std::string_view kernel() const override {
    return copy_.id == graph::kNoValue ? kernel_->name : quantize_kernel_->name;
  }

 private:
  graph::ValueId y_;
  graph::ValueId ids_[3] = {};
  size_t tables_ = 0;
  const kernels::EmbeddingKernel* kernel_;
  kernels::EmbeddingArgs args_;
  const kernels::QuantizeRowsKernel* quantize_kernel_;
  ProducedCopy copy_;
};

}  // namespace

std::unique_ptr<Step> lower_gather(const graph::Node& node, Lowering& lowering) {
  constexpr TableOperand kTables[] = {{Operand::kTable, Operand::kIds}};
  return std::make_unique<EmbeddingStep>(node, lowering, kTables);
}

std::unique_ptr<Step> lower_embed_layer_normalization(const graph::Node& node, Lowering& lowering) {
  // word + type + position: the order in which Hugging Face adds them. The order matters to the
  // last bit only.
  constexpr TableOperand kTables[] = {{Operand::kTable, Operand::kIds},
                                      {Operand::kType, Operand::kTypeIds},
                                      {Operand::kPosition, Operand::kPositionIds}};
  auto step = std::make_unique<EmbeddingStep>(node, lowering, kTables);
  step->normalize(node, lowering);
  return step;
}

}  // namespace tamis::engines::cpu
