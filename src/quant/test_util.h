// Graphs for tests, written as text, and numbers.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "graph/testing/text_constants.h"

namespace tamis::quant {

/// Standard normal, the same for the same seed.
inline std::vector<float> normals(size_t n, uint32_t seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(engine);
  return values;
}

inline graph::Graph graph_of(const std::string& text) {
  graph::testing::TextConstants constants(text);
  return graph::parse_graph(text, "test", graph::testing::TextConstants::find, &constants);
}

/// One layer of BERT, 8 wide, 2 heads, 16 in between, and a classifier on it.
inline std::string bert_layer_text() {
  std::string text = R"(tamis graph 1
input %input_ids : I32[T]
constant %words : F32[20, 8]
constant %types : F32[20, 8]
constant %gamma : F32[8]
constant %beta : F32[8]
constant %half : F32[]
)";
  for (const char* name : {"q", "k", "v", "o"}) {
    text +=
        std::string("constant %") + name + " : F32[8, 8]\nconstant %" + name + ".bias : F32[8]\n";
  }
  return text + R"(constant %wide : F32[16, 8]
constant %wide.bias : F32[16]
constant %narrow : F32[8, 16]
constant %narrow.bias : F32[8]
constant %pool : F32[8, 8]
constant %classifier : F32[3, 8]
%g = Gather(%words, %input_ids) @m.embeddings.words : F32[T, 8]
%t = Gather(%types, %input_ids) @m.embeddings.types : F32[T, 8]
%e = Add(%g, %t) @m.embeddings : F32[T, 8]
%x = LayerNormalization(%e, %gamma, %beta) {epsilon=1e-12} @m.embeddings.LayerNorm : F32[T, 8]
%q1 = MatMul(%x, %q) {activation=none} @m.0.self.query : F32[T, 8]
%q2 = Add(%q1, %q.bias) @m.0.self.query : F32[T, 8]
%k1 = MatMul(%x, %k) {activation=none} @m.0.self.key : F32[T, 8]
%k2 = Add(%k1, %k.bias) @m.0.self.key : F32[T, 8]
%v1 = MatMul(%x, %v) {activation=none} @m.0.self.value : F32[T, 8]
%v2 = Add(%v1, %v.bias) @m.0.self.value : F32[T, 8]
%s = AttentionScores(%q2, %k2) {heads=2, scale=1} @m.0.self : F32[2, A]
%h = Mul(%s, %half) @m.0.self : F32[2, A]
%p = Softmax(%h) @m.0.self : F32[2, A]
%c = AttentionContext(%p, %v2) {heads=2, scale=1} @m.0.self : F32[T, 8]
%o1 = MatMul(%c, %o) {activation=none} @m.0.output.dense : F32[T, 8]
%o2 = Add(%o1, %o.bias) @m.0.output.dense : F32[T, 8]
%a = Add(%o2, %x) @m.0.output : F32[T, 8]
%n = LayerNormalization(%a, %gamma, %beta) {epsilon=1e-12} @m.0.output.LayerNorm : F32[T, 8]
%w1 = MatMul(%n, %wide) {activation=none} @m.0.ffn : F32[T, 16]
%w2 = Add(%w1, %wide.bias) @m.0.ffn : F32[T, 16]
%w3 = Activation(%w2) {activation=gelu} @m.0.ffn.act : F32[T, 16]
%f1 = MatMul(%w3, %narrow) {activation=none} @m.0.ffn_output : F32[T, 8]
%f2 = Add(%f1, %narrow.bias) @m.0.ffn_output : F32[T, 8]
%b = Add(%f2, %n) @m.0 : F32[T, 8]
%y = LayerNormalization(%b, %gamma, %beta) {epsilon=1e-12} @m.0.norm : F32[T, 8]
%r = SequencePool(%y) {modes=cls} @m.pooler : F32[B, 8]
%d = MatMul(%r, %pool) {activation=none} @m.pooler.dense : F32[B, 8]
%z = MatMul(%d, %classifier) {activation=none} @classifier : F32[B, 3]
output logits = %z
)";
}

/// Such a layer whose scores have products with tables of positions too, 6 rows each.
inline graph::Graph layer_with_position_products() {
  graph::Graph graph = graph_of(bert_layer_text());
  for (graph::Node& node : graph.nodes()) {
    if (node.op != graph::OpKind::kAttentionScores) continue;
    for (const auto operand : {graph::Operand::kPositionKeys, graph::Operand::kPositionQueries}) {
      const auto table = std::make_shared<const Tensor>(DType::kF32, Shape{6, 8});
      node.set_operand(operand,
                       graph.add_constant(cat("table_", static_cast<int>(operand)), table));
    }
    std::get<graph::AttentionAttributes>(node.attributes).max_relative_positions = 3;
  }
  graph::verify(graph);
  return graph;
}

}  // namespace tamis::quant
