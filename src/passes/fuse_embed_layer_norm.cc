#include "passes/match.h"

namespace tamis::passes {

using graph::Operand;

namespace {

/// The gathers that a sum of embeddings is made of.
struct EmbeddingSum {
  const graph::Node* word = nullptr;
  const graph::Node* position = nullptr;
  const graph::Node* type = nullptr;
  std::vector<const graph::Node*> nodes;  // all gathers and adds of the sum
};

// Puts the gather where its ids say it belongs; false if that place is taken or unknown.
bool place(const graph::Graph& graph, const Uses& uses, const graph::Node& gather,
           EmbeddingSum& sum) {
  const graph::ValueId ids = gather.operand(Operand::kIds);
  const std::string& name = graph.value(ids).name;
  const graph::Node** slot = nullptr;
  if (graph::are_word_ids(graph, ids)) {
    slot = &sum.word;
  } else if (name == graph::kTokenTypeIds) {
    slot = &sum.type;
  } else if (uses.producer(ids, graph::OpKind::kPositionIds) != nullptr) {
    slot = &sum.position;
  }
  if (slot == nullptr || *slot != nullptr) return false;
  *slot = &gather;
  return true;
}

bool collect(const graph::Graph& graph, const Uses& uses, graph::ValueId value, EmbeddingSum& sum) {
  if (!uses.used_once(value)) return false;
  if (const graph::Node* gather = uses.producer(value, graph::OpKind::kGather)) {
    sum.nodes.push_back(gather);
    return place(graph, uses, *gather, sum);
  }
  const graph::Node* add = uses.producer(value, graph::OpKind::kAdd);
  if (add == nullptr) return false;
  sum.nodes.push_back(add);
  return collect(graph, uses, add->operand(Operand::kX), sum) &&
         collect(graph, uses, add->operand(Operand::kY), sum);
}

void take_gather(graph::Node& fused, const graph::Node* gather, Operand table, Operand ids) {
  if (gather == nullptr) return;
  fused.set_operand(table, gather->operand(Operand::kTable));
  fused.set_operand(ids, gather->operand(Operand::kIds));
}

}  // namespace

// LayerNormalization of a sum of word, position and type rows -> EmbedLayerNormalization. After
// fuse_skip_layer_norm the last addition is part of a SkipLayerNormalization.
bool fuse_embed_layer_norm(graph::Graph& graph) {
  const Uses uses(graph);
  Rewrite rewrite(graph);
  for (const graph::Node& norm : graph.nodes()) {
    const bool skip = norm.op == graph::OpKind::kSkipLayerNormalization;
    if (!skip && norm.op != graph::OpKind::kLayerNormalization) continue;
    EmbeddingSum sum;
    if (!collect(graph, uses, norm.operand(Operand::kX), sum)) continue;
    if (skip && !collect(graph, uses, norm.operand(Operand::kSkip), sum)) continue;
    if (sum.word == nullptr) continue;
    graph::Node fused = norm;
    fused.op = graph::OpKind::kEmbedLayerNormalization;
    fused.quantizers.clear();
    fused.inputs.clear();
    for (const Operand operand : {Operand::kGamma, Operand::kBeta}) {
      fused.set_operand(operand, norm.operand(operand));
    }
    take_gather(fused, sum.word, Operand::kTable, Operand::kIds);
    take_gather(fused, sum.position, Operand::kPosition, Operand::kPositionIds);
    take_gather(fused, sum.type, Operand::kType, Operand::kTypeIds);
    rewrite.replace(&norm, std::move(fused));
    for (const graph::Node* node : sum.nodes) rewrite.erase(node);
  }
  return rewrite.apply();
}

}  // namespace tamis::passes
