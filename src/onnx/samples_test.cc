// Longformer's chunks as transformers and torch's TorchScript exporter write them.
#include "onnx/samples.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "onnx/test_util.h"

namespace tamis::onnx {
namespace {

using graph::OpKind;

EditableModel chunks() { return EditableModel("longformer-token-legacy-op14-tf457.onnx"); }

NodeProto& first_of(EditableModel& edit, std::string_view op) {
  for (NodeProto& node : edit.model.graph.nodes) {
    if (node.op_type == op) return node;
  }
  throw std::runtime_error("no such operator");
}

TEST(Samples, TellWindowsOfChunks) {
  const ImportedModel model = import_onnx(chunks().model, "m.onnx");
  std::vector<int64_t> windows;
  for (const graph::Node& node : model.graph.nodes()) {
    if (node.op != OpKind::kAttentionScores) continue;
    const auto& fields = node.attribute<graph::AttentionAttributes>();
    EXPECT_EQ(fields.left, fields.right);
    EXPECT_EQ(fields.heads, 2);
    EXPECT_EQ(node.scope, windows.empty() ? "encoder.layer.0.attention.self"
                                          : "encoder.layer.1.attention.self");
    windows.push_back(fields.left);
  }
  EXPECT_EQ(windows, (std::vector<int64_t>{8, 4}));
  // Strides are those of one window: longer texts would be answered otherwise.
  EXPECT_EQ(model.max_positions, 16);
}

TEST(Samples, RefuseOtherProducts) {
  EditableModel edit = chunks();
  first_of(edit, "Einsum").attributes = {text("equation", "bcxd,bcyd->bcyx")};
  expect_refused(edit.model, "(MatMul): what it reads was taken apart by places from ");
  expect_refused(edit.model, "is no attention with a window around each token");
}

TEST(Samples, RefuseWhatHappensToRowsOnTheWay) {
  for (const double factor : {1.0, 1.5}) {
    EditableModel edit = chunks();
    edit.set("factor", {}, ElementType::kFloat, std::vector<float>{static_cast<float>(factor)});
    NodeProto& softmax = first_of(edit, "Softmax");
    const std::string scores = softmax.inputs[0];
    const std::string made = softmax.outputs[0];
    softmax.inputs[0] = "scaled";
    edit.insert(made, make_node("Mul", {scores, "factor"}, "scaled"));
    if (factor == 1.0) {
      EXPECT_NO_THROW((void)import_onnx(edit.model, "m.onnx"));
    } else {
      expect_refused(edit.model, "is no attention with a window around each token");
    }
  }
}

// The padding of probes shows in scores that are not masked.
TEST(Samples, RefuseAMaskThatIsNotRead) {
  EditableModel edit = chunks();
  edit.set("zero", {}, ElementType::kFloat, std::vector<float>{0});
  NodeProto* reader = nullptr;
  for (NodeProto& node : edit.model.graph.nodes) {
    if (node.op_type == "Pad" && node.inputs[0] == "attention_mask") reader = &node;
  }
  ASSERT_NE(reader, nullptr);
  const std::string mask = reader->outputs[0];
  reader->outputs[0] = "padded";
  NodeProto all = make_node("Equal", {"padded", "padded"}, "all");
  NodeProto ones =
      make_node("Cast", {"all"}, mask, {integer("to", static_cast<int64_t>(ElementType::kInt64))});
  const auto at = edit.model.graph.nodes.begin() + (reader - edit.model.graph.nodes.data()) + 1;
  edit.model.graph.nodes.insert(at, {all, ones});
  expect_refused(edit.model, "is no attention with a window around each token");
}

TEST(Probes, AreMultiplesOfAWindow) {
  for (const int64_t window : {2, 8, 12, 512}) {
    for (const bool one_window : {false, true}) {
      const auto probes = make_probes({.window = window, .one_window = one_window, .thrice = 2});
      for (const Probe& probe : probes) {
        EXPECT_EQ(probe.sizes.tokens % window, 0);
        for (int64_t b = 0; b < probe.sizes.sequences; ++b) {
          const auto begin = probe.input_ids.data->begin() + b * probe.sizes.tokens;
          EXPECT_EQ(std::count(begin, begin + probe.sizes.tokens, 2.0), 3);
        }
      }
      EXPECT_EQ(probes[3].sizes.tokens > probes[0].sizes.tokens, !one_window);
    }
  }
}

TEST(Samples, AreNotTakenWhereNothingIsPadded) {
  EditableModel edit;
  edit.set_integers("halves", {32, -1});
  edit.append(make_node("Reshape", {"layer_norm", "halves"}, "y"));
  expect_refused(edit.model, "(Reshape): a reshape that mixes sequences, tokens and columns");
}

}  // namespace
}  // namespace tamis::onnx
