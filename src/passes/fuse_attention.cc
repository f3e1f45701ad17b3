#include "passes/match.h"

namespace tamis::passes {

using graph::Operand;

namespace {

/// The nodes between q, k, v and the context.
struct Chain {
  const graph::Node* scores = nullptr;
  const graph::Node* scale = nullptr;  // Mul by a constant number; may be absent
  const graph::Node* softmax = nullptr;
  const graph::Node* context = nullptr;
  float factor = 1.0f;
};

// Whether one Attention can say what both say: its keys and values lie side by side, head by head.
bool agree(const graph::Graph& graph, const graph::Node& scores, const graph::Node& context) {
  const auto& of_scores = scores.attribute<graph::AttentionAttributes>();
  const auto& of_context = context.attribute<graph::AttentionAttributes>();
  return of_scores.heads == of_context.heads && of_scores.key_heads() == of_context.key_heads() &&
         graph.value(scores.operand(Operand::kK)).shape ==
             graph.value(context.operand(Operand::kV)).shape;
}

bool match(const graph::Graph& graph, const Uses& uses, const graph::Node& scores, Chain& chain) {
  chain = Chain{};
  chain.scores = &scores;
  chain.factor = scores.attribute<graph::AttentionAttributes>().scale;
  graph::ValueId value = scores.output;
  if (const graph::Node* scale = uses.only_consumer(value, graph::OpKind::kMul)) {
    const graph::ValueId factor = scale->operand(Operand::kY);
    if (scale->operand(Operand::kX) != value || !graph.is_constant(factor) ||
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
  if (chain.context == nullptr || !agree(graph, scores, *chain.context)) return false;
  // The kernels take factors above zero only: a score's order must not turn.
  const auto& fields = scores.attribute<graph::AttentionAttributes>();
  const bool plain = fields.bias == graph::BiasRule::kNone && fields.block_size == 0;
  return chain.factor > 0 && (plain || chain.scale == nullptr);
}

}  // namespace

// AttentionScores -> Mul? -> Softmax -> AttentionContext becomes Attention(q, k, v), with what
// positions add to the scores. The Mul's factor moves into the node's scale, which no bias is
// times: so there is none where there is a bias.
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
    for (const Operand operand : {Operand::kQ, Operand::kK, Operand::kBias, Operand::kPositionKeys,
                                  Operand::kPositionQueries, Operand::kIds}) {
      fused.set_operand(operand, scores.operand(operand));
    }
    fused.set_operand(Operand::kV, chain.context->operand(Operand::kV));
    graph::AttentionAttributes attributes = scores.attribute<graph::AttentionAttributes>();
    attributes.scale = chain.factor;
    fused.attributes = attributes;
    fused.scope = scores.scope;
    for (const Operand operand : {Operand::kQ, Operand::kK}) {
      move_marks(scores, operand, operand, fused.quantizers);
    }
    for (const Operand operand : {Operand::kV, Operand::kProbabilities}) {
      move_marks(*chain.context, operand, operand, fused.quantizers);
    }
    rewrite.replace(chain.context, std::move(fused));
    rewrite.erase(&scores);
    if (chain.scale != nullptr) rewrite.erase(chain.scale);
    rewrite.erase(chain.softmax);
  }
  return rewrite.apply();
}

}  // namespace tamis::passes
