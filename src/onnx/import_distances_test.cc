// Positions by distance (relative_key_query), told by the ids and letters of their products.
#include <gtest/gtest.h>

#include "onnx/import_onnx.h"
#include "onnx/test_util.h"

namespace tamis::onnx {
namespace {

using graph::Operand;

constexpr const char* kFile = "bert-relative-key-query-legacy-op17-tf457.onnx";
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
  expect_refused(edit.model, "/attention/self/distance_embedding/Gather\" (Gather): \"near\" is");
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
