#include "passes/match.h"

namespace tamis::passes {

namespace {

/// The nodes between q, k, v and the context.
struct Chain {
  const graph::Node* scores = nullptr;
  const graph::Node* scale = nullptr;  // Mul by a constant number; may be absent
  const graph::Node* softmax = nullptr;
  const graph::Node* context = nullptr;
  float factor = 1.0f;
};

bool match(const graph::Graph& graph, const Uses& uses, const graph::Node& scores, Chain& chain) {
  chain = Chain{};
  chain.scores = &scores;
  chain.factor = scores.attribute<graph::AttentionAttributes>().scale;
  graph::ValueId value = scores.output;
  if (const graph::Node* scale = uses.only_consumer(value, graph::OpKind::kMul)) {
    const graph::ValueId factor = scale->inputs[1];
    if (scale->inputs[0] != value || !graph.is_constant(factor) ||
        graph.value(factor).shape.rank() != 0 || graph.value(factor).dtype != DType::kF32) {
      return false;
    }
    chain.scale = scale;
    chain.factor *= graph.value(factor).constant->as<float>()[0];
    value = scale->output;
  }
  chain.softmax = uses.only_consumer(value, graph::OpKind::kSoftmax);
  if (chain.softmax == nullptr) return false;
  chain.context = uses.only_consumer(chain.softmax->output, graph::OpKind::kAttentionContext);
  // The kernels take factors above zero only: a score's order must not turn.
  return chain.context != nullptr && chain.factor > 0;
}

}  // namespace

// AttentionScores -> Mul? -> Softmax -> AttentionContext becomes Attention(q, k, v). Its four marks
// are q 0, k 1, v 2, probabilities 3.
bool fuse_attention(graph::Graph& graph) {
  const Uses uses(graph);
  Rewrite rewrite(graph);
  Chain chain;
  for (const graph::Node& scores : graph.nodes()) {
    if (scores.op != graph::OpKind::kAttentionScores || !match(graph, uses, scores, chain)) {
      continue;
    }
    graph::Node fused;
    fused.op = graph::OpKind::kAttention;
    fused.inputs = {scores.inputs[0], scores.inputs[1], chain.context->inputs[1]};
    fused.attributes = graph::AttentionAttributes{
        scores.attribute<graph::AttentionAttributes>().heads, chain.factor};
    fused.scope = scores.scope;
    move_marks(scores, 0, 0, fused.quantizers);
    move_marks(scores, 1, 1, fused.quantizers);
    move_marks(*chain.context, 1, 2, fused.quantizers);
    move_marks(*chain.context, 0, 3, fused.quantizers);
    rewrite.replace(chain.context, std::move(fused));
    rewrite.erase(&scores);
    if (chain.scale != nullptr) rewrite.erase(chain.scale);
    rewrite.erase(chain.softmax);
  }
  return rewrite.apply();
}

}  // namespace tamis::passes
