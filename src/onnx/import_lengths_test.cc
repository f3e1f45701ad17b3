// Turns that follow the length of a text, and what else of lengths is refused.
#include <gtest/gtest.h>

#include <cmath>

#include "onnx/import_onnx.h"
#include "onnx/test_util.h"

namespace tamis::onnx {
namespace {

constexpr const char* kAngles = "/m/rotary_emb/Mul_output_0";
constexpr const char* kCosines = "/m/rotary_emb/Mul_1_output_0";

// Qwen3 whose turns have other frequencies for texts of more than `most` tokens.
struct LengthModel : EditableModel {
  explicit LengthModel(float most = 700) : EditableModel("qwen3-base-legacy-op17-sdpa.onnx") {
    set_floats("most", {}, {most});
    set_floats("rows", {2, 5}, {1, 0.5f, 0.25f, 0.125f, 0.0625f, 0.8f, 0.4f, 0.2f, 0.1f, 0.05f});
    const std::string before = maker(kAngles).outputs[0];
    for (NodeProto& node :
         std::vector<NodeProto>{make_node("Cast", {"attention_mask"}, "tokens", {integer("to", 1)}),
                                make_node("ReduceL1", {"tokens"}, "lengths", {ints("axes", {1})}),
                                make_node("Greater", {"lengths", "most"}, "is_long"),
                                make_node("Cast", {"is_long"}, "row", {integer("to", 7)}),
                                make_node("Gather", {"rows", "row"}, "frequencies")}) {
      insert(before, std::move(node));
    }
    maker(kAngles).inputs[1] = "frequencies";
  }
};

TEST(ImportLengths, TellsTurnsByTheLengthOfEachText) {
  // Of texts that are in the batches, and that are not.
  for (const int64_t most : {4, 700}) {
    const LengthModel edit(static_cast<float>(most));
    const graph::Graph graph = import_onnx(edit.model, "m.onnx").graph;
    int turns = 0;
    for (const graph::Node& node : graph.nodes()) {
      if (node.op != graph::OpKind::kRotary) continue;
      ++turns;
      EXPECT_EQ(node.attribute<graph::RotaryAttributes>().long_from, most);
      const auto& constant = graph.value(node.operand(graph::Operand::kFrequencies)).constant;
      ASSERT_EQ(constant->shape(), (Shape{2, 5}));
      for (size_t i = 0; i < 10; ++i) {
        const float first = i < 5 ? 1.0f : 0.8f;
        EXPECT_NEAR(constant->as<float>()[i], std::ldexp(first, -static_cast<int>(i % 5)), 1e-6);
      }
    }
    EXPECT_EQ(turns, 4);
  }
}

TEST(ImportLengths, ReadsOneRowForAllWhereBothAreAlike) {
  LengthModel edit;
  edit.set_floats("rows", {2, 5},
                  {1, 0.5f, 0.25f, 0.125f, 0.0625f, 1, 0.5f, 0.25f, 0.125f, 0.0625f});
  const ImportedModel imported = import_onnx(edit.model, "m.onnx");
  for (const graph::Node& node : imported.graph.nodes()) {
    if (node.op != graph::OpKind::kRotary) continue;
    EXPECT_EQ(node.attribute<graph::RotaryAttributes>().long_from, 0);
  }
}

TEST(ImportLengths, RefusesOtherThingsThatFollowLengths) {
  // Cosines of another scale.
  LengthModel scaled;
  scaled.set_floats("scales", {2}, {1, 0.5f});
  scaled.insert(kCosines, make_node("Gather", {"scales", "row"}, "scale"));
  scaled.maker(kCosines).inputs[1] = "scale";
  expect_refused(scaled.model, "cosines and sines that do not follow each token's place");
  LengthModel hidden;
  hidden.set_floats("factors", {2}, {1, 0.5f});
  hidden.append(make_node("Gather", {"factors", "row"}, "factor"));
  hidden.append(make_node("Mul", {hidden.model.graph.outputs[0].name, "factor"}, "scaled"));
  hidden.answer("scaled");
  expect_refused(hidden.model, "m.onnx: ");
}

TEST(ImportLengths, RefusesLengthsThatAreReadOtherwise) {
  constexpr std::string_view kRefused = "how many tokens a text has; whether they are more than";
  LengthModel less;
  less.maker("is_long").op_type = "Less";
  expect_refused(less.model, cat("(Less): ", kRefused));
  LengthModel turned;
  std::swap(turned.maker("is_long").inputs[0], turned.maker("is_long").inputs[1]);
  expect_refused(turned.model, cat("(Greater): ", kRefused));
  expect_refused(LengthModel(4.5f).model, cat("(Greater): ", kRefused));
  LengthModel number;
  number.maker("row").inputs[0] = "lengths";
  expect_refused(number.model, cat("(Cast): ", kRefused));
  LengthModel two;
  two.set_floats("other", {}, {5});
  two.insert("row", make_node("Greater", {"lengths", "other"}, "is_longer"));
  expect_refused(two.model, "(Greater): texts of more than 5 tokens, and others of more than 700");
  LengthModel ids;
  ids.maker("tokens").inputs[0] = "input_ids";
  expect_refused(ids.model, "(ReduceL1): this operator is not built");
}

}  // namespace
}  // namespace tamis::onnx
