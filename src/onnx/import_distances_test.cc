// Positions by distance (relative_key_query), told by the ids and letters of their products.
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/reference/position_buckets.h"
#include "onnx/import_onnx.h"
#include "onnx/test_util.h"

namespace tamis::onnx {
namespace {

using graph::Operand;

constexpr const char* kFile = "bert-relative-key-query-legacy-op17-tf457.onnx";
constexpr const char* kT5 = "t5-base-gated-legacy-op17-sdpa.onnx";
constexpr int64_t kMost = 24;  // its max_position_embeddings
constexpr size_t kColumns = 12;

// What a layer's attention makes, of the first.
std::string output(const std::string& name) {
  return "/m/encoder/layer.0/attention/self/" + name + "_output_0";
}

void set_equation(EditableModel& edit, std::string equation) {
  edit.maker(output("Einsum")).attributes = {text("equation", std::move(equation))};
}

struct Tables {
  graph::AttentionAttributes fields;
  std::vector<float> keys;
  std::vector<float> queries;
};

// Of the first attention.
Tables tables_of(const ModelProto& model) {
  const graph::Graph graph = import_onnx(model, "m.onnx").graph;
  const auto values = [&](const graph::Node& node, Operand operand) {
    const auto floats = graph.value(node.operand(operand)).constant->as<float>();
    return std::vector<float>(floats.begin(), floats.end());
  };
  for (const graph::Node& node : graph.nodes()) {
    if (node.op != graph::OpKind::kAttentionScores) continue;
    return {node.attribute<graph::AttentionAttributes>(), values(node, Operand::kPositionKeys),
            values(node, Operand::kPositionQueries)};
  }
  throw std::runtime_error("no attention");
}

std::vector<float> turned(const std::vector<float>& table) {
  std::vector<float> result(table.begin(), table.begin() + kColumns);
  for (size_t slot = 2 * kMost - 1; slot > 0; --slot) {
    const auto row = table.begin() + static_cast<int64_t>(slot * kColumns);
    result.insert(result.end(), row, row + kColumns);
  }
  return result;
}

TEST(ImportDistances, TellsRelativeKeys) {
  const ModelProto model = EditableModel(kFile).model;
  EXPECT_EQ(import_onnx(model, "m.onnx").max_positions, kMost);
  const Tables tables = tables_of(model);
  EXPECT_EQ(tables.fields.position_buckets, 0);
  EXPECT_EQ(tables.fields.max_relative_positions, kMost);
  EXPECT_EQ(tables.keys, tables.queries);
  EXPECT_EQ(tables.keys.size(), 2 * kMost * kColumns);
}

TEST(ImportDistances, FollowsTheLettersOfAProduct) {
  EditableModel edit(kFile);
  const std::vector<float> table = tables_of(edit.model).keys;
  // Rows of the distance counted from the other side.
  set_equation(edit, "bhld,rld->bhlr");
  const Tables other = tables_of(edit.model);
  EXPECT_EQ(other.keys, turned(table));
  EXPECT_EQ(other.queries, table);
  // The same in other letters and the other order.
  set_equation(edit, "xyz,abxz->abxy");
  NodeProto& product = edit.maker(output("Einsum"));
  std::swap(product.inputs[0], product.inputs[1]);
  EXPECT_EQ(tables_of(edit.model).keys, table);
}

TEST(ImportDistances, FollowsIdsThatFallWithTheDistance) {
  EditableModel edit(kFile);
  const std::vector<float> table = tables_of(edit.model).keys;
  NodeProto& distances = edit.maker(output("Sub"));
  std::swap(distances.inputs[0], distances.inputs[1]);
  EXPECT_EQ(tables_of(edit.model).keys, turned(table));
}

TEST(ImportDistances, ReadsTheRowsThatATableHas) {
  EditableModel edit(kFile);
  // Distance 0 in row 20 of 47: of more tokens than 21 the first rows are missing.
  edit.set("middle", {}, ElementType::kInt64, std::vector<int64_t>{21});
  edit.maker(output("Add")).inputs[1] = "middle";
  EXPECT_EQ(import_onnx(edit.model, "m.onnx").max_positions, 21);
  EXPECT_EQ(tables_of(edit.model).fields.max_relative_positions, 21);
}

// T5's encoder whose buckets are read through another node.
struct BucketsModel : EditableModel {
  explicit BucketsModel(NodeProto node) : EditableModel(kT5) {
    set("first", {}, ElementType::kInt64, std::vector<int64_t>{0});
    set("last", {}, ElementType::kInt64, std::vector<int64_t>{5});
    NodeProto& gather =
        maker("/m/encoder/block.0/layer.0/SelfAttention/relative_attention_bias/Gather_output_0");
    buckets = gather.inputs[1];
    table = gather.inputs[0];
    const std::string output = gather.outputs[0];
    gather.inputs[1] = "other";
    node.inputs[0] = buckets;
    node.outputs = {"other"};
    insert(output, std::move(node));
  }
  std::string buckets;
  std::string table;
};

// As T5's in half precision, whose rounded constants move the edges of buckets.
TEST(ImportDistances, TakesABiasByAnyRuleOfDistances) {
  const BucketsModel edit(make_node("Clip", {"", "first", "last"}, "other"));
  const ImportedModel imported = import_onnx(edit.model, "m.onnx");
  EXPECT_EQ(imported.max_positions, 512);
  const auto values = [](const graph::Graph& graph) {
    for (const graph::Node& node : graph.nodes()) {
      if (node.op != graph::OpKind::kAttentionScores) continue;
      EXPECT_EQ(node.attribute<graph::AttentionAttributes>().bias, graph::BiasRule::kT5);
      return graph.value(node.operand(Operand::kBias)).constant;
    }
    throw std::runtime_error("no attention");
  };
  const auto got = values(imported.graph);
  const auto table = values(import_onnx(EditableModel(kT5).model, "m.onnx").graph);
  ASSERT_EQ(got->shape(), (Shape{4 * 512, 2}));
  ASSERT_EQ(table->shape(), (Shape{8, 2}));
  for (int64_t distance = -511; distance < 512; ++distance) {
    const int64_t bucket = std::min<int64_t>(kernels::reference::t5_bucket(distance, 8, 12), 5);
    const int64_t row = kernels::reference::t5_bucket(distance, 4 * 512, 513);
    for (int64_t head = 0; head < 2; ++head) {
      ASSERT_EQ(got->as<float>()[static_cast<size_t>(2 * row + head)],
                table->as<float>()[static_cast<size_t>(2 * bucket + head)])
          << distance;
    }
  }
}

TEST(ImportDistances, RefusesABiasByMoreThanDistances) {
  // By the query's place as well: the first row of the same buckets for all.
  BucketsModel places(make_node("Gather", {"", "zeros"}, "other"));
  places.insert("other", make_node("Mul", {places.buckets, "first"}, "zeros"));
  expect_refused(places.model, "(Gather): ");
  BucketsModel queries(make_node("CumSum", {"", "first"}, "other"));
  expect_refused(queries.model, "(Gather): \"other\" is neither");
  // Buckets beyond the table.
  BucketsModel outside(make_node("Add", {"", "last"}, "other"));
  expect_refused(outside.model, "(Gather): \"other\" is neither");
}

TEST(ImportDistances, RefusesRowsThatDistancesShare) {
  // Beyond 4 all distances have the row of 4.
  EditableModel edit(kFile);
  edit.set("first", {}, ElementType::kInt64, std::vector<int64_t>{19});
  edit.set("last", {}, ElementType::kInt64, std::vector<int64_t>{27});
  const std::string ids = output("Sub_1");
  NodeProto& gather = edit.maker(output("distance_embedding/Gather"));
  gather.inputs[1] = "near";
  edit.insert(output("distance_embedding/Gather"),
              make_node("Clip", {ids, "first", "last"}, "near"));
  expect_refused(edit.model,
                 "/attention/self/Einsum\" (Einsum): a product that is not of queries or");
}

TEST(ImportDistances, RefusesOtherProducts) {
  for (const char* equation :
       {"bhld,lrd->bhl", "bhld,lrd->bhrd", "bhld,lrr->bhlr", "bhld,lrd->hblr", "bhld,lrd",
        "bhld->bhlr", "...ld,lrd->...lr", "bhdl,ldr->bhdr", "bhld,ldr->bhlr", "bhld,lrd->blhr"}) {
    EditableModel edit(kFile);
    set_equation(edit, equation);
    expect_refused(edit.model,
                   "/attention/self/Einsum\" (Einsum): a product that is not of queries");
  }
  EditableModel scores(kFile);
  NodeProto& product = scores.maker(output("Einsum"));
  product.inputs[1] = product.inputs[0];
  expect_refused(scores.model, "(Einsum): a product that is not of queries or keys");
}

TEST(ImportDistances, RefusesProductsOfOtherTokensThanTheScores) {
  const char* kRefused = "(Add): a bias by position of other queries or keys than the scores'";
  EditableModel across(kFile);
  set_equation(across, "bhld,lrd->bhrl");
  expect_refused(across.model, kRefused);
  EditableModel keys(kFile);
  keys.maker(output("Einsum")).inputs[0] = keys.maker(output("Einsum_1")).inputs[0];
  expect_refused(keys.model, kRefused);
  EditableModel twice(kFile);
  for (std::string& input : twice.maker(output("Add_2")).inputs) {
    if (input == output("Einsum_1")) input = output("Einsum");
  }
  expect_refused(twice.model, kRefused);
}

TEST(ImportDistances, RefusesRowsThatAreNoPartOfAProduct) {
  EditableModel edit(kFile);
  edit.append(make_node("Add", {output("distance_embedding/Gather"), output("Einsum")}, "y"));
  edit.answer("y");
  expect_refused(edit.model, "(Add): rows of hidden states are expected, not a step");
}

}  // namespace
}  // namespace tamis::onnx
