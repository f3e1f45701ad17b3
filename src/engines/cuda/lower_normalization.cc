// Normalizations of rows, gated units, and the embedding block.
#include "engines/cuda/lower_rows.h"

namespace tamis::engines::cuda {

using graph::Operand;
using tamis::cuda::MutableValues;
using tamis::cuda::RowNorm;
using tamis::cuda::RowsParams;
using tamis::cuda::Stored;

namespace {

// Of torch.nn.functional.normalize.
constexpr float kLeastLength = 1e-12f;

/// What a node's normalization is.
struct Norm {
  Norm(const graph::Node& node, Lowering& lowering)
      : gamma(lowering.floats(node.operand(Operand::kGamma))),
        beta(lowering.floats(node.operand(Operand::kBeta))) {
    if (const auto* rms = std::get_if<graph::RmsNormAttributes>(&node.attributes)) {
      kind = RowNorm::kRms;
      epsilon = rms->epsilon;
      parts = static_cast<int>(rms->heads);
    } else if (node.op == graph::OpKind::kTokenNormalize) {
      kind = RowNorm::kL2;
      epsilon = kLeastLength;
    } else if (const auto* layer = std::get_if<graph::LayerNormAttributes>(&node.attributes)) {
      kind = RowNorm::kLayer;
      epsilon = layer->epsilon;
    }
  }

  void put(const StepContext& context, RowsParams& params) const {
    params.norm = kind;
    params.epsilon = epsilon;
    params.parts = parts;
    params.gamma = context.constant(gamma);
    params.beta = context.constant(beta);
  }

  RowNorm kind = RowNorm::kNone;
  float epsilon = 0;
  int parts = 1;
  Constant<float> gamma;
  Constant<float> beta;
};

// All normalizations of rows, and SkipLayerNormalization(x, skip, gamma, beta?).
class NormStep final : public Step {
 public:
  NormStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(Operand::kX)),
        skip_(node.operand(Operand::kSkip)),
        y_(node.output),
        stored_(lowering.stored(x_)),
        norm_(node, lowering),
        rows_(node, lowering) {}

  void launch(const StepContext& context) const override { rows_.launch(context, made(context)); }
  /// What the kernel is given.
  [[nodiscard]] RowsParams params(const StepContext& context) const {
    return rows_.filled(context, made(context));
  }

 private:
  [[nodiscard]] RowsParams made(const StepContext& context) const {
    RowsParams params;
    params.x = {context.value<const std::byte>(x_), stored_};
    if (skip_ != graph::kNoValue) params.residual = context.value<const float>(skip_);
    params.y = {context.value<std::byte>(y_), Stored::kF32};
    norm_.put(context, params);
    return params;
  }

  graph::ValueId x_;
  graph::ValueId skip_;
  graph::ValueId y_;
  Stored stored_;
  Norm norm_;
  RowLaunch rows_;
};

// act(gate) * up; where a quantized copy goes with it that is all that is stored.
class GluStep final : public Step {
 public:
  GluStep(const graph::Node& node, Lowering& lowering)
      : x_(node.operand(Operand::kX)),
        y_(node.output),
        activation_(node.attribute<graph::GluAttributes>().activation),
        gate_first_(node.attribute<graph::GluAttributes>().gate_first),
        read_(lowering.stored(x_)),
        stored_(lowering.stored(y_)),
        rows_(node, lowering) {
    if (rows_.makes_copy()) short_gelu_ = short_gelu(activation_, lowering);
  }

  void launch(const StepContext& context) const override {
    RowsParams params;
    params.x = {context.value<const std::byte>(x_), read_};
    params.gate_column = gate_first_ ? 0 : rows_.width();
    params.activation = activation_;
    params.short_gelu = context.constant(short_gelu_);
    if (!rows_.makes_copy()) params.y = {context.value<std::byte>(y_), stored_};
    rows_.launch(context, params);
  }

 private:
  graph::ValueId x_;
  graph::ValueId y_;
  Activation activation_;
  bool gate_first_;
  Stored read_;
  Stored stored_;
  RowLaunch rows_;
  Constant<float> short_gelu_;
};

/// A table and the value that indexes it.
struct TableOperand {
  Operand table;
  Operand ids;
};
// word + type + position: the order in which Hugging Face adds them.
constexpr TableOperand kTables[] = {{Operand::kTable, Operand::kIds},
                                    {Operand::kType, Operand::kTypeIds},
                                    {Operand::kPosition, Operand::kPositionIds}};

// Gather(table, ids) and EmbedLayerNormalization.
class EmbeddingStep final : public Step {
 public:
  EmbeddingStep(const graph::Node& node, Lowering& lowering)
      : y_(node.output), norm_(node, lowering), rows_(node, lowering) {
    for (size_t t = 0; t < std::size(kTables); ++t) {
      const graph::ValueId table = node.operand(kTables[t].table);
      if (table == graph::kNoValue) continue;
      const bool words = kTables[t].table == Operand::kTable;
      tables_[t] =
          lowering.table(table, words ? node.operand(Operand::kWeightScale) : graph::kNoValue);
      ids_[t] = node.operand(kTables[t].ids);
      lowering.limits().limit_ids(lowering.graph(), ids_[t], lowering.shape(table)[0].size);
    }
  }

  void launch(const StepContext& context) const override {
    RowsParams params;
    for (size_t t = 0; t < std::size(kTables); ++t) {
      if (!tables_[t].there()) continue;
      params.tables[t] = {context.constant(tables_[t]), context.value<const int32_t>(ids_[t])};
    }
    params.y = {context.value<std::byte>(y_), Stored::kF32};
    norm_.put(context, params);
    rows_.launch(context, params);
  }

 private:
  graph::ValueId y_;
  Norm norm_;
  RowLaunch rows_;
  Constant<float> tables_[3];
  graph::ValueId ids_[3] = {};
};

}  // namespace

std::unique_ptr<Step> lower_normalization(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<NormStep>(node, lowering);
}

RowsOf norm_rows(const graph::Node& node, Lowering& lowering) {
  return [step = std::make_shared<const NormStep>(node, lowering)](const StepContext& context) {
    return step->params(context);
  };
}

std::unique_ptr<Step> lower_glu(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<GluStep>(node, lowering);
}

std::unique_ptr<Step> lower_embedding(const graph::Node& node, Lowering& lowering) {
  return std::make_unique<EmbeddingStep>(node, lowering);
}

}  // namespace tamis::engines::cuda
