#include "onnx/rules/horizon.h"

#include <gtest/gtest.h>

#include <memory>

#include "onnx/test_util.h"

namespace tamis::onnx {
namespace {

constexpr auto kModernBert = "modernbert-base-legacy-op14-eager-tf524-level2.onnx";
constexpr auto kWindowed = "/m/LessOrEqual_output_0";

// ModernBERT with another comparison in place of |query - key| <= 2.
ModelProto compared(std::string op, int64_t number) {
  EditableModel edit(kModernBert);
  edit.set("number", {}, ElementType::kInt64, std::vector<int64_t>{number});
  NodeProto& window = edit.maker(kWindowed);
  window.op_type = std::move(op);
  window.inputs[1] = "number";
  return edit.model;
}

int64_t most_tokens(const ModelProto& model) { return import_onnx(model, "m.onnx").max_positions; }

TEST(Horizon, HasNoEndWhereTheProbesShowTheWindow) {
  EXPECT_EQ(most_tokens(EditableModel(kModernBert).model), 0);
  EXPECT_EQ(most_tokens(compared("LessOrEqual", 510)), 0);
}

TEST(Horizon, EndsWhereAWindowBegins) {
  EXPECT_EQ(most_tokens(compared("LessOrEqual", 511)), 512) << "nothing shows it";
  EXPECT_EQ(most_tokens(compared("Less", 600)), 600);
  EXPECT_EQ(most_tokens(compared("LessOrEqual", 4096)), 4096);
}

// What the node makes of the distance and a number is compared in place of the distance.
ModelProto compared_after(std::string op, int64_t number, int64_t bound) {
  EditableModel edit(kModernBert);
  edit.set("number", {}, ElementType::kInt64, std::vector<int64_t>{number});
  edit.set("bound", {}, ElementType::kInt64, std::vector<int64_t>{bound});
  edit.insert(kWindowed, make_node(std::move(op), {"/m/Abs_output_0", "number"}, "made"));
  edit.maker(kWindowed).inputs = {"made", "bound"};
  return edit.model;
}

TEST(Horizon, FollowsHowFastAValueGrows) {
  EXPECT_EQ(most_tokens(compared_after("Mul", 2, 1200)), 600);
}

TEST(Horizon, IsThatOfBlocks) { EXPECT_EQ(most_tokens(compared_after("Div", 800, 0)), 800); }

TEST(Horizon, IsThatOfTriangles) {
  EditableModel edit(kModernBert);
  edit.set("number", {}, ElementType::kInt64, std::vector<int64_t>{700});
  edit.set("least", {}, ElementType::kInt64, std::vector<int64_t>{-1});
  edit.insert(kWindowed, make_node("Greater", {"/m/Abs_output_0", "least"}, "ones"));
  NodeProto& window = edit.maker(kWindowed);
  window.op_type = "Trilu";
  window.inputs = {"ones", "number"};
  window.attributes = {integer("upper", 0)};
  EXPECT_EQ(most_tokens(edit.model), 700);
}

// A table of pairs, of which the batch's part is cut out.
TEST(Horizon, OfATableOfPairsIsWhereItGoesOnOtherwise) {
  const auto cut_from_table = [](int64_t window) {
    constexpr int64_t kPlaces = 600;
    std::vector<float> table;
    for (int64_t i = 0; i < kPlaces * kPlaces; ++i) {
      table.push_back(std::abs(i / kPlaces - i % kPlaces) <= window ? 1.0f : 0.0f);
    }
    EditableModel edit(kModernBert);
    edit.set_floats("table", {kPlaces, kPlaces}, std::move(table));
    edit.set_integers("zeros", {0, 0});
    edit.set_integers("axes", {0, 1});
    edit.set_integers("tokens_axis", {1});
    for (NodeProto& node : std::vector<NodeProto>{
             make_node("Shape", {"input_ids"}, "sizes"),
             make_node("Gather", {"sizes", "tokens_axis"}, "tokens"),
             make_node("Concat", {"tokens", "tokens"}, "ends", {integer("axis", 0)}),
             make_node("Slice", {"table", "zeros", "ends", "axes"}, "part")}) {
      edit.insert(kWindowed, std::move(node));
    }
    NodeProto& window_node = edit.maker(kWindowed);
    window_node.op_type = "Cast";
    window_node.inputs = {"part"};
    window_node.attributes = {integer("to", static_cast<int64_t>(ElementType::kBool))};
    return edit.model;
  };
  EXPECT_EQ(most_tokens(cut_from_table(3)), 600);
  EXPECT_EQ(most_tokens(cut_from_table(1000)), 600);
  EXPECT_EQ(most_tokens(cut_from_table(550)), 512);
}

// No longer text makes more of them.
TEST(Horizon, DoesNotComeFromMasks) {
  EditableModel edit(kModernBert);
  edit.set("number", {}, ElementType::kInt64, std::vector<int64_t>{1000});
  edit.set_integers("axes", {1, 2});
  for (NodeProto& node :
       std::vector<NodeProto>{make_node("Less", {"attention_mask", "number"}, "all"),
                              make_node("Unsqueeze", {"all", "axes"}, "all_keys"),
                              make_node("And", {kWindowed, "all_keys"}, "still")}) {
    edit.insert("/m/And_2_output_0", std::move(node));
  }
  for (std::string& input : edit.maker("/m/And_2_output_0").inputs) {
    if (input == kWindowed) input = "still";
  }
  EXPECT_EQ(most_tokens(edit.model), 0);
}

// Columns have no part in it, however many they are.
TEST(Horizon, OfCutsIsThatOfTokens) {
  for (const int64_t tokens : {700, 100000}) {
    EditableModel edit(kModernBert);
    const std::string answer = edit.model.graph.outputs[0].name;
    edit.set_integers("starts", {0, 0});
    edit.set_integers("ends", {tokens, 900});
    edit.set_integers("cut_axes", {1, 2});
    edit.maker(answer).outputs[0] = "whole";
    edit.append(make_node("Slice", {"whole", "starts", "ends", "cut_axes"}, answer));
    EXPECT_EQ(most_tokens(edit.model), tokens);
  }
}

TEST(Horizon, CutsThatTheProbesShowAreRefused) {
  EditableModel edit(kModernBert);
  const std::string answer = edit.model.graph.outputs[0].name;
  edit.set_integers("starts", {0});
  edit.set_integers("ends", {16});
  edit.set_integers("cut_axes", {1});
  edit.maker(answer).outputs[0] = "whole";
  edit.append(make_node("Slice", {"whole", "starts", "ends", "cut_axes"}, answer));
  expect_refused(edit.model, "a part of axis 1 that depends on the batch");
}

}  // namespace
}  // namespace tamis::onnx
