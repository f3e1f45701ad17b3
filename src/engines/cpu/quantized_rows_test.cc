// Which quantized copies a plan makes, by which step, and that sharing one changes no bit.
#include "engines/cpu/quantized_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "engines/cpu/session.h"
#include "engines/cpu/storage.h"
#include "engines/cpu/test_encoder.h"

namespace tamis::engines::cpu {
namespace {

using graph::OpKind;

// Marks on all MatMuls that count tokens.
graph::Graph quantized_encoder() {
  graph::Graph graph = test_encoder(FloatArithmetic::kBf16);
  int id = 0;
  for (graph::Node& node : graph.nodes()) {
    if (node.op != OpKind::kMatMul) continue;
    for (const graph::Operand operand : {graph::Operand::kX, graph::Operand::kWeight}) {
      graph::Quantizer mark;
      mark.names = {"q" + std::to_string(id++)};
      mark.operand = operand;
      mark.scheme = operand == graph::Operand::kX ? graph::QuantScheme::kPerTokenU8
                                                  : graph::QuantScheme::kPerChannelS8;
      mark.enabled = true;
      node.quantizers.push_back(mark);
    }
  }
  return graph;
}

std::vector<float> logits(const graph::Graph& graph, const PlanOptions& options,
                          const TestBatch& batch, int threads) {
  ThreadPool pool(threads);
  Outputs outputs;
  Session(Plan::make(graph, options), pool).run(batch.packed(), outputs);
  const auto values = outputs.get("logits").as<float>();
  return {values.begin(), values.end()};
}

TEST(QuantizedRows, LayerNormsMakeTheCopiesOfTheirOutputs) {
  const graph::Graph graph = quantized_encoder();
  const std::vector<QuantizedRows> copies = find_quantized_rows(graph, FloatArithmetic::kF32);
  // QKV, O, FFN1 and FFN2 of two layers, and the head on selected tokens.
  ASSERT_EQ(copies.size(), 9u);
  // The embeddings' LayerNorm makes the first layer's; attention's and GELU's outputs get steps.
  const bool by_norm[] = {true, false, true, false, true, false, true, false, false};
  for (size_t i = 0; i < copies.size(); ++i) {
    EXPECT_EQ(copies[i].by_producer, by_norm[i]) << i;
    EXPECT_LE(copies[i].first_node, copies[i].last_node);
    EXPECT_EQ(copies[i].bytes_per_row(), (i % 4 == 3 ? 40 : 24) + 10 * 4) << i;
  }
}

TEST(QuantizedRows, ReadersOfOneValueShareACopy) {
  graph::Graph graph = quantized_encoder();
  graph::Node second = graph.nodes()[2];
  ASSERT_EQ(second.op, OpKind::kMatMul);
  const graph::ValueId again =
      graph.add_node(OpKind::kMatMul, second.inputs, second.attributes, "again");
  graph.nodes().back().quantizers = second.quantizers;
  graph.add_output("again", again);
  const std::vector<QuantizedRows> copies = find_quantized_rows(graph, FloatArithmetic::kF32);
  ASSERT_EQ(copies.size(), 9u);
  EXPECT_EQ(copies[0].last_node, static_cast<int>(graph.nodes().size()) - 1);
}

TEST(QuantizedRows, NoneInAPlanOfFloats) {
  EXPECT_TRUE(find_quantized_rows(test_encoder(), FloatArithmetic::kF32).empty());
  EXPECT_TRUE(find_quantized_rows(test_encoder(), FloatArithmetic::kBf16).empty());
}

TEST(QuantizedRows, WhatOnlyIntegersReadIsKeptInHalfPrecision) {
  const graph::Graph graph = quantized_encoder();
  const std::vector<DType> storage = choose_storage(graph, FloatArithmetic::kF32);
  const auto halves = std::count(storage.begin(), storage.end(), DType::kF16);
  EXPECT_EQ(halves, 4);  // in two layers, the context and the inner value of the feed-forward
}

TEST(QuantizedRows, AnyThreadCountAndBatchGivesTheSameBits) {
  const graph::Graph graph = quantized_encoder();
  const TestBatch batch({5, 1, 33, 20});
  for (const Isa isa : all_isas()) {
    if (!detected_isas().has(isa)) continue;
    PlanOptions options;
    options.isas = isas_up_to(isa_name(isa));
    const std::vector<float> one = logits(graph, options, batch, 1);
    for (const int threads : {2, 3, 8}) {
      EXPECT_EQ(logits(graph, options, batch, threads), one) << isa_name(isa) << ", " << threads;
    }
    size_t at = 0;
    for (size_t s = 0; s < 4; ++s) {  // a single sequence is a team's work
      const std::vector<float> alone = logits(graph, options, batch.only(s), 3);
      ASSERT_LE(at + alone.size(), one.size());
      EXPECT_EQ(std::memcmp(alone.data(), one.data() + at, alone.size() * sizeof(float)), 0);
      at += alone.size();
    }
  }
}

}  // namespace
}  // namespace tamis::engines::cpu
