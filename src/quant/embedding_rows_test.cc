// Embedding tables in half precision and in 8 bits: what changes, what stays, what it costs.
#include "quant/embedding_rows.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/bf16.h"
#include "base/error.h"
#include "engine/engine.h"
#include "quant/test_util.h"
#include "tensor/widened.h"

namespace tamis::quant {
namespace {

using graph::Graph;
using graph::Operand;

// Words, places and segments summed and normalized, and the words once more as a decoder's weight
// where it is tied.
std::string text(bool tied) {
  return R"(tamis graph 2
input %input_ids : I32[T]
input %token_type_ids : I32[T]
constant %words : F32[9, 20]
constant %places : F32[12, 20]
constant %types : F32[2, 20]
constant %gamma : F32[20]
constant %beta : F32[20]
constant %weight : F32[9, 20]
%ids = PositionIds(ids=%input_ids) {rule=absolute, padding_idx=0} @m.embeddings : I32[T]
%x = EmbedLayerNormalization(table=%words, ids=%input_ids, gamma=%gamma, beta=%beta, position=%places, position_ids=%ids, type=%types, type_ids=%token_type_ids) {epsilon=1e-12} @m.embeddings : F32[T, 20]
%y = MatMul(x=%x, weight=%)" +
         std::string(tied ? "words" : "weight") + R"() {activation=none} @m.decoder : F32[T, 9]
output logits = %y
)";
}

const Tensor& constant(const Graph& graph, std::string_view name) {
  return *graph.value(graph.find_value(name)).constant;
}

std::vector<float> run(const Graph& graph, IsaSet isas) {
  engine::EngineOptions options;
  options.isas = isas;
  const std::vector<int32_t> ids = {0, 8, 3, 1, 1, 7};
  const std::vector<int32_t> types = {0, 0, 1, 0, 1, 1};
  const std::vector<int32_t> borders = {0, 4, 6};
  engine::Outputs outputs;
  engine::make_engine(graph, options)
      ->make_session()
      ->run({ids, types, {}, borders, {}, 4}, outputs);
  const auto values = outputs.view(0).as<float>();
  return {values.begin(), values.end()};
}

TEST(EmbeddingRows, AsStoredChangesNothing) {
  Graph graph = graph_of(text(false));
  const std::string before = graph::print(graph);
  const EmbeddingReport report = store_embeddings(graph, EmbeddingStorage::kAsStored);
  EXPECT_EQ(graph::print(graph), before);
  EXPECT_EQ(report.tables, 3);
  EXPECT_EQ(report.bytes_before, (9 + 12 + 2) * 20 * 4);
  EXPECT_EQ(report.bytes_after, report.bytes_before);
}

TEST(EmbeddingRows, HalvesAreRoundedToNearest) {
  Graph graph = graph_of(text(false));
  const Graph before = graph;
  const EmbeddingReport report = store_embeddings(graph, EmbeddingStorage::kHalf);
  graph::verify(graph);
  EXPECT_EQ(report.bytes_after * 2, report.bytes_before);
  EXPECT_TRUE(report.kept.empty());
  for (const char* name : {"words", "places", "types"}) {
    const auto x = constant(before, name).as<float>();
    ASSERT_EQ(constant(graph, name).dtype(), DType::kF16) << name;
    const auto y = constant(graph, name).as<uint16_t>();
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(y[i], float_to_f16(x[i])) << name << i;
  }
  EXPECT_EQ(constant(graph, "weight").dtype(), DType::kF32);
}

TEST(EmbeddingRows, IntegersAreForTablesOfTokenIds) {
  Graph graph = graph_of(text(false));
  const auto words = constant(graph, "words").as<float>();
  const std::vector<float> before(words.begin(), words.end());
  const EmbeddingReport report = store_embeddings(graph, EmbeddingStorage::kInt8);
  graph::verify(graph);
  EXPECT_EQ(report.in_integers, 1);
  EXPECT_EQ(report.bytes_after, 9 * 20 + 9 * 4 + (12 + 2) * 20 * 2);
  EXPECT_EQ(constant(graph, "places").dtype(), DType::kF16);
  const Tensor after = multiplied_out(constant(graph, "words"), constant(graph, "words.scale"));
  for (size_t i = 0; i < before.size(); ++i) {
    const float scale = constant(graph, "words.scale").as<float>()[i / 20];
    EXPECT_LE(std::abs(after.as<float>()[i] - before[i]), 0.5001f * scale) << i;
  }
}

// What the kernels read is what the graph with the same numbers in float32 gives, bit for bit.
TEST(EmbeddingRows, EveryKernelSetReadsThemExactly) {
  for (const EmbeddingStorage storage : {EmbeddingStorage::kHalf, EmbeddingStorage::kInt8}) {
    Graph stored = graph_of(text(false));
    store_embeddings(stored, storage);
    Graph plain = stored;
    for (const char* name : {"words", "places", "types"}) {
      graph::Value& value = plain.value(plain.find_value(name));
      value.constant = value.dtype == DType::kI8
                           ? std::make_shared<const Tensor>(
                                 multiplied_out(*value.constant, constant(plain, "words.scale")))
                           : widened(value.constant);
      value.dtype = DType::kF32;
    }
    for (graph::Node& node : plain.nodes()) {
      if (node.has(Operand::kWeightScale)) {
        node.set_operand(Operand::kWeightScale, graph::kNoValue);
      }
    }
    for (const std::string_view isa : {"reference", "avx2", "avx512"}) {
      IsaSet isas;
      try {
        isas = isas_up_to(isa);
      } catch (const Error&) {
        continue;  // this CPU lacks it
      }
      EXPECT_EQ(run(stored, isas), run(plain, isas))
          << embedding_storage_name(storage) << " on " << isa;
    }
  }
}

TEST(EmbeddingRows, ATiedTableStays) {
  for (const EmbeddingStorage storage : {EmbeddingStorage::kHalf, EmbeddingStorage::kInt8}) {
    Graph graph = graph_of(text(true));
    const EmbeddingReport report = store_embeddings(graph, storage);
    ASSERT_EQ(report.kept.size(), 1u);
    EXPECT_EQ(report.kept[0].name, "words");
    EXPECT_EQ(report.kept[0].reason, "a linear layer reads it too");
    EXPECT_TRUE(report.kept[0].fits);
    EXPECT_EQ(constant(graph, "words").dtype(), DType::kF32);
  }
}

TEST(EmbeddingRows, ValuesBeyondHalfPrecisionStay) {
  Graph graph = graph_of(text(false));
  graph::Value& words = graph.value(graph.find_value("words"));
  std::vector<float> values(9 * 20, 1.0f);
  values[33] = 65505.0f;
  words.constant = std::make_shared<const Tensor>(Tensor::from(Shape{9, 20}, values));
  const EmbeddingReport report = store_embeddings(graph, EmbeddingStorage::kHalf);
  ASSERT_EQ(report.kept.size(), 1u);
  EXPECT_FALSE(report.kept[0].fits);
  EXPECT_EQ(constant(graph, "words").dtype(), DType::kF32);
  EXPECT_EQ(constant(graph, "places").dtype(), DType::kF16);
}

// A table of 16 bits is one already.
TEST(EmbeddingRows, ShortFloatsStayAsTheyAre) {
  Graph graph = graph_of(text(false));
  graph::Value& words = graph.value(graph.find_value("words"));
  words.constant = std::make_shared<const Tensor>(Tensor(DType::kBF16, Shape{9, 20}));
  words.dtype = DType::kBF16;
  store_embeddings(graph, EmbeddingStorage::kHalf);
  graph::verify(graph);
  EXPECT_EQ(constant(graph, "words").dtype(), DType::kBF16);
}

std::string refusal(Graph graph) {
  try {
    graph::verify(graph);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(EmbeddingRows, TypesThatDoNotFitAreRefused) {
  Graph graph = graph_of(text(false));
  store_embeddings(graph, EmbeddingStorage::kInt8);
  graph::Node* embedding = nullptr;
  for (graph::Node& node : graph.nodes()) {
    if (node.has(Operand::kWeightScale)) embedding = &node;
  }
  ASSERT_NE(embedding, nullptr);
  const graph::ValueId scales = embedding->operand(Operand::kWeightScale);
  embedding->set_operand(Operand::kWeightScale, graph::kNoValue);
  EXPECT_NE(refusal(graph).find("table \"words\" is I8[9, 20], expected F32, F16 or BF16"),
            std::string::npos)
      << refusal(graph);
  embedding->set_operand(Operand::kWeightScale, graph.find_value("gamma"));
  EXPECT_NE(refusal(graph).find("weight_scale \"gamma\" is F32[20], expected a constant F32[9]"),
            std::string::npos)
      << refusal(graph);
  embedding->set_operand(Operand::kWeightScale, scales);
  embedding->set_operand(Operand::kTable, graph.find_value("weight"));
  EXPECT_NE(refusal(graph).find("table \"weight\" is F32[9, 20], expected I8 rows"),
            std::string::npos)
      << refusal(graph);
}

TEST(EmbeddingRows, NamesRoundTrip) {
  for (const std::string_view name : {"fp32", "fp16", "int8"}) {
    EXPECT_EQ(embedding_storage_name(*embedding_storage_from_name(name)), name);
  }
  EXPECT_FALSE(embedding_storage_from_name("bf16"));
}

}  // namespace
}  // namespace tamis::quant
