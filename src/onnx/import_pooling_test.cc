// Norms and pooling in steps, and division by lengths, in a recorded file with nodes of its own.
#include <gtest/gtest.h>

#include "onnx/test_util.h"

namespace tamis::onnx {
namespace {

int count_of(const graph::Graph& graph, graph::OpKind op) {
  int count = 0;
  for (const graph::Node& node : graph.nodes()) count += node.op == op ? 1 : 0;
  return count;
}

// layer_norm_4 pooled by mean: "masked", "sum", "count" and their quotient "mean".
struct PooledModel : EditableModel {
  PooledModel() {
    set_integers("one", {1});
    set_integers("two", {2});
    append(make_node("Unsqueeze", {"attention_mask", "two"}, "wide"));
    append(make_node("Cast", {"wide"}, "ones", {integer("to", 1)}));
    append(make_node("Mul", {"layer_norm_4", "ones"}, "masked"));
    append(make_node("ReduceSum", {"masked", "one"}, "sum", {integer("keepdims", 0)}));
    append(make_node("ReduceSum", {"ones", "one"}, "count", {integer("keepdims", 0)}));
    append(make_node("Div", {"sum", "count"}, "mean"));
    answer("mean");
  }
};

// Rows of layer_norm_4 normalized in the steps that opset 11 has: "normal".
struct SteppedModel : EditableModel {
  SteppedModel() {
    set_floats("square", {}, {2});
    set_floats("tiny", {}, {1e-12f});
    set_integers("last", {-1});
    append(make_node("ReduceMean", {"layer_norm_4", "last"}, "mean"));
    append(make_node("Sub", {"layer_norm_4", "mean"}, "centered"));
    append(make_node("Pow", {"centered", "square"}, "squares"));
    append(make_node("ReduceMean", {"squares", "last"}, "variance"));
    append(make_node("Add", {"variance", "tiny"}, "shifted"));
    append(make_node("Sqrt", {"shifted"}, "deviation"));
    append(make_node("Div", {"centered", "deviation"}, "normal"));
    answer("normal");
  }
};

TEST(ImportPooling, TakesNormsInSteps) {
  SteppedModel edit;
  const ImportedModel imported = import_onnx(edit.model, "m.onnx");
  EXPECT_EQ(imported.output, OutputKind::kTokenEmbeddings);
  EXPECT_EQ(count_of(imported.graph, graph::OpKind::kLayerNormalization), 6);
}

TEST(ImportPooling, RefusesNormsOfOtherSteps) {
  SteppedModel axis;
  axis.maker("variance").inputs[1] = "val_15";
  expect_refused(axis.model, "(ReduceMean): a mean that is not over the columns of each row");
  SteppedModel flat;
  flat.maker("variance").attributes = {integer("keepdims", 0)};
  expect_refused(flat.model, "(ReduceMean): a mean that is not over the columns of each row");
  SteppedModel bent;
  bent.insert("centered", make_node("Relu", {"layer_norm_4"}, "bent"));
  bent.maker("centered").inputs[0] = "bent";
  expect_refused(bent.model, "(Sub): these operands are not understood");
  SteppedModel moved;
  moved.append(make_node("Shape", {"mean"}, "y"));
  expect_refused(moved.model, "(Shape): a step of a norm or of a quantization in another shape");
}

TEST(ImportPooling, TakesTheMeanOfTokens) {
  PooledModel edit;
  const ImportedModel imported = import_onnx(edit.model, "m.onnx");
  EXPECT_EQ(imported.output, OutputKind::kSentenceEmbedding);
  EXPECT_EQ(count_of(imported.graph, graph::OpKind::kSequencePool), 1);
  // A function that keeps 0 may stand between mask and sum.
  edit.insert("sum", make_node("Relu", {"masked"}, "bent"));
  edit.maker("sum").inputs[0] = "bent";
  EXPECT_EQ(count_of(import_onnx(edit.model, "m.onnx").graph, graph::OpKind::kActivation), 3);
}

TEST(ImportPooling, RefusesSumsInWhichPaddingCounts) {
  PooledModel edit;
  edit.insert("sum", make_node("Add", {"masked", "val_103"}, "shifted"));
  edit.maker("sum").inputs[0] = "shifted";
  expect_refused(edit.model, "(ReduceSum): a sum over hidden states that are not masked");
  edit.maker("shifted").op_type = "Sigmoid";
  edit.maker("shifted").inputs = {"masked"};
  expect_refused(edit.model, "(ReduceSum): a sum over hidden states that are not masked");
  edit.maker("shifted").op_type = "Add";
  edit.maker("shifted").inputs = {"masked", "layer_norm_4"};
  expect_refused(edit.model, "(ReduceSum): a sum over hidden states that are not masked");
}

TEST(ImportPooling, RefusesCountsThatStandAcrossTheirSums) {
  PooledModel edit;
  edit.set_integers("both", {1, 2});
  edit.maker("count").inputs[1] = "both";
  expect_refused(edit.model, "(Div): shapes [2] and [2, 32] do not broadcast",
                 ErrorCode::kCorruptData);
  PooledModel kept;
  kept.maker("sum").attributes = {};
  expect_refused(kept.model, "(Div): shape [2, 1] does not spread to [2, 1, 32]",
                 ErrorCode::kCorruptData);
  kept.maker("count").attributes = {};
  (void)import_onnx(kept.model, "m.onnx");
}

TEST(ImportPooling, LeavesTheLengthOfASentenceToTheCaller) {
  PooledModel edit;
  edit.append(make_node("LpNormalization", {"mean"}, "unit"));
  edit.answer("unit");
  const ImportedModel imported = import_onnx(edit.model, "m.onnx");
  EXPECT_TRUE(imported.unit_length);
  EXPECT_EQ(count_of(imported.graph, graph::OpKind::kTokenNormalize), 0);
}

TEST(ImportPooling, KeepsTheLengthOfWhatIsReadOn) {
  EditableModel head;
  head.insert("linear_12", make_node("LpNormalization", {"select"}, "unit"));
  head.maker("linear_12").inputs[0] = "unit";
  EXPECT_EQ(count_of(import_onnx(head.model, "m.onnx").graph, graph::OpKind::kTokenNormalize), 1);

  EditableModel norm;
  norm.insert("layer_norm_4", make_node("LpNormalization", {"add_9"}, "unit"));
  norm.maker("layer_norm_4").inputs[0] = "unit";
  EXPECT_EQ(count_of(import_onnx(norm.model, "m.onnx").graph, graph::OpKind::kTokenNormalize), 1);

  EditableModel pick;
  pick.insert("select", make_node("LpNormalization", {"layer_norm_4"}, "unit"));
  pick.maker("select").inputs[0] = "unit";
  EXPECT_EQ(count_of(import_onnx(pick.model, "m.onnx").graph, graph::OpKind::kTokenNormalize), 1);

  EditableModel tokens;
  tokens.append(make_node("LpNormalization", {"layer_norm_4"}, "last_hidden_state"));
  tokens.answer("last_hidden_state");
  const ImportedModel imported = import_onnx(tokens.model, "m.onnx");
  EXPECT_EQ(count_of(imported.graph, graph::OpKind::kTokenNormalize), 1);
  EXPECT_FALSE(imported.unit_length);

  EditableModel factor;
  factor.append(make_node("LpNormalization", {"select"}, "unit"));
  factor.append(make_node("Mul", {"unit", "val_105"}, "half"));
  factor.answer("half");
  expect_refused(factor.model, "(Mul): these operands are not understood");
}

TEST(ImportPooling, DividesByTheRowsOwnLength) {
  EditableModel edit;
  edit.set_integers("last", {-1});
  edit.append(make_node("ReduceL2", {"select", "last"}, "length"));
  edit.append(make_node("Div", {"select", "length"}, "unit"));
  edit.answer("unit");
  EXPECT_TRUE(import_onnx(edit.model, "m.onnx").unit_length);
  edit.maker("unit").inputs[0] = "tanh";
  expect_refused(edit.model, "(Div): these operands are not understood");
  edit.insert("unit", make_node("Tanh", {"select"}, "bent"));
  edit.maker("unit").inputs[0] = "bent";
  expect_refused(edit.model, "(Div): these operands are not understood");
  edit.maker("unit").inputs[0] = "select";
  edit.maker("length").attributes = {integer("keepdims", 0)};
  expect_refused(edit.model, "(Div): these operands are not understood");
}

TEST(ImportPooling, RefusesSumsThatRepeatHiddenStates) {
  EditableModel edit;
  edit.set_integers("one", {1});
  edit.append(make_node("Unsqueeze", {"select", "one"}, "wide"));
  edit.append(make_node("Add", {"wide", "linear_12"}, "y"));
  expect_refused(edit.model, "(Add): hidden states that are repeated");
  edit.maker("y").op_type = "Mul";
  expect_refused(edit.model, "(Mul): hidden states that are repeated");
}

}  // namespace
}  // namespace tamis::onnx
