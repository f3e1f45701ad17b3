// Plans that pack their weights while they run.
#include <gtest/gtest.h>

#include "base/bf16.h"
#include "engines/cpu/session.h"
#include "engines/cpu/test_encoder.h"

namespace tamis::engines::cpu {
namespace {

PlanOptions once(IsaSet isas) {
  PlanOptions options;
  options.isas = isas;
  options.once = true;
  return options;
}

// The weights of linear layers in bf16.
graph::Graph stored_in_bf16() {
  graph::Graph graph = test_encoder();
  for (const graph::Node& node : graph.nodes()) {
    if (node.op != graph::OpKind::kMatMul) continue;
    graph::Value& weight = graph.value(node.operand(graph::Operand::kWeight));
    Tensor half(DType::kBF16, weight.constant->shape());
    const auto values = weight.constant->as<float>();
    std::transform(values.begin(), values.end(), half.mutable_as<uint16_t>().begin(),
                   float_to_bf16);
    weight.constant = std::make_shared<Tensor>(std::move(half));
    weight.dtype = DType::kBF16;
  }
  return graph;
}

// All outputs, one behind the other.
std::vector<float> run_all(const graph::Graph& graph, const PlanOptions& options, int threads) {
  const TestBatch batch({5, 1, 17, 30});
  ThreadPool pool(threads);
  Outputs outputs;
  Session(Plan::make(graph, options), pool).run(batch.packed(), outputs);
  std::vector<float> all;
  for (const char* name : {"token_embeddings", "sentence_embedding", "logits"}) {
    const auto values = outputs.get(name).as<float>();
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

TEST(Once, GivesTheBitsOfAPlanThatKeepsItsWeights) {
  for (const Isa isa : all_isas()) {
    if (!detected_isas().has(isa)) continue;
    const IsaSet isas = isas_up_to(isa_name(isa));
    for (const graph::Graph& graph : {test_encoder(), stored_in_bf16()}) {
      PlanOptions kept;
      kept.isas = isas;
      const std::vector<float> expected = run_all(graph, kept, 1);
      for (const int threads : {1, 3}) EXPECT_EQ(run_all(graph, once(isas), threads), expected);
    }
  }
}

TEST(Once, PacksNothingBeforeItRuns) {
  EXPECT_GT(Plan::make(test_encoder(), PlanOptions())->packed_bytes(), 0U);
  EXPECT_EQ(Plan::make(test_encoder(), once(detected_isas()))->packed_bytes(), 0U);
}

}  // namespace
}  // namespace tamis::engines::cpu
