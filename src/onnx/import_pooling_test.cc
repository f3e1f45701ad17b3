// Norms and pooling in steps, and division by lengths, in a recorded file with nodes of its own.
#include <gtest/gtest.h>

#include <cmath>

#include "onnx/test_util.h"

namespace tamis::onnx {
namespace {

int count_of(const graph::Graph& graph, graph::OpKind op) {
  int count = 0;
  for (const graph::Node& node : graph.nodes()) count += node.op == op ? 1 : 0;
  return count;
}

// The modes of the only pool.
std::vector<Pooling> pool_modes(const ModelProto& model) {
  std::vector<Pooling> modes;
  const ImportedModel imported = import_onnx(model, "m.onnx");
  for (const graph::Node& node : imported.graph.nodes()) {
    if (node.op != graph::OpKind::kSequencePool) continue;
    EXPECT_TRUE(modes.empty());
    modes = node.attribute<graph::PoolAttributes>().modes;
  }
  return modes;
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

// A constant behind a norm makes no LayerNormalization of rows that are not centered.
TEST(ImportPooling, TakesRmsNormsWithABias) {
  SteppedModel edit;
  edit.maker("centered") = make_node("Identity", {"layer_norm_4"}, "centered");
  const std::string gamma = edit.maker("layer_norm_4").inputs[1];
  const std::string beta = edit.maker("layer_norm_4").inputs[2];
  edit.append(make_node("Mul", {"normal", gamma}, "scaled"));
  edit.append(make_node("Add", {"scaled", beta}, "shifted_rows"));
  edit.answer("shifted_rows");
  const ImportedModel imported = import_onnx(edit.model, "m.onnx");
  EXPECT_EQ(count_of(imported.graph, graph::OpKind::kLayerNormalization), 5);
  EXPECT_EQ(count_of(imported.graph, graph::OpKind::kRMSNormalization), 1);
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

// layer_norm_4 times weights for each token, "weights", over their sum: "mean". Places count from
// `first`, or from the first token with a mask that shows it.
struct WeightedModel : PooledModel {
  explicit WeightedModel(float first = 1) {
    set_floats("first", {}, {first});
    set_floats("step", {}, {1});
    set("place", {}, ElementType::kInt64, std::vector<int64_t>{1});
    insert("masked", make_node("Shape", {"attention_mask"}, "sizes"));
    insert("masked", make_node("Gather", {"sizes", "place"}, "tokens"));
    insert("masked", make_node("Cast", {"tokens"}, "many", {integer("to", 1)}));
    insert("masked", make_node("Add", {"many", "first"}, "end"));
    insert("masked", make_node("Range", {"first", "end", "step"}, "places"));
    insert("masked", make_node("Unsqueeze", {"places", "one"}, "column"));
    insert("masked", make_node("Mul", {"ones", "column"}, "weights"));
    maker("masked").inputs[1] = "weights";
    maker("count").inputs[0] = "weights";
  }
};

// The greatest of layer_norm_4's tokens, padding replaced by `low`.
struct MaximumModel : PooledModel {
  explicit MaximumModel(float low) {
    set_floats("low", {}, {low});
    append(make_node("Cast", {"wide"}, "seen", {integer("to", 9)}));
    append(make_node("Where", {"seen", "layer_norm_4", "low"}, "filled"));
    append(make_node("ReduceMax", {"filled", "one"}, "greatest", {integer("keepdims", 0)}));
    answer("greatest");
  }
};

TEST(ImportPooling, TakesTheMeanOverTheRootOfTheLength) {
  PooledModel edit;
  edit.insert("mean", make_node("Sqrt", {"count"}, "root"));
  edit.maker("mean").inputs[1] = "root";
  EXPECT_EQ(pool_modes(edit.model), std::vector{Pooling::kMeanSqrtLen});
  edit.insert("mean", make_node("Reciprocal", {"root"}, "by"));
  edit.maker("mean").op_type = "Mul";
  edit.maker("mean").inputs = {"by", "sum"};
  EXPECT_EQ(pool_modes(edit.model), std::vector{Pooling::kMeanSqrtLen});
  // The length itself is the mean's.
  edit.maker("by").inputs[0] = "count";
  EXPECT_EQ(pool_modes(edit.model), std::vector{Pooling::kMean});
  edit.maker("root").op_type = "Log";
  edit.maker("by").inputs[0] = "root";
  expect_refused(edit.model, "(Mul): a sum over tokens that is no pooling");
}

TEST(ImportPooling, TakesTheMeanByPlaces) {
  WeightedModel edit;
  EXPECT_EQ(pool_modes(edit.model), std::vector{Pooling::kWeightedMean});
  // In front of the sum, too.
  edit.append(make_node("ReduceSum", {"weights", "one"}, "total"));
  edit.append(make_node("Div", {"weights", "total"}, "shares"));
  edit.append(make_node("Mul", {"shares", "layer_norm_4"}, "parts"));
  edit.append(make_node("ReduceSum", {"parts", "one"}, "y", {integer("keepdims", 0)}));
  edit.answer("y");
  EXPECT_EQ(pool_modes(edit.model), std::vector{Pooling::kWeightedMean});
}

TEST(ImportPooling, RefusesOtherWeights) {
  for (const float first : {0.0f, 2.0f}) {
    expect_refused(WeightedModel(first).model,
                   "(Div): a sum over tokens that is no pooling: the first two of 7 count by");
  }
  WeightedModel plain;
  plain.maker("count").inputs[0] = "ones";
  expect_refused(plain.model, "(Div): a sum over tokens that is no pooling");
  WeightedModel root;
  root.insert("mean", make_node("Sqrt", {"count"}, "root"));
  root.maker("mean").inputs[1] = "root";
  expect_refused(root.model, "(Div): a sum over tokens that is no pooling");
  WeightedModel unmasked;
  unmasked.maker("masked").inputs[1] = "column";
  expect_refused(unmasked.model, "(Div): a sum over tokens that is no pooling");
  WeightedModel sum;
  sum.answer("sum");
  expect_refused(sum.model, "output \"sum\": is not made of hidden states");
  WeightedModel rows;
  rows.answer("masked");
  expect_refused(rows.model, "(Mul): hidden states times a number for each token");
}

// A word that the probes lack may count otherwise.
TEST(ImportPooling, RefusesWeightsThatIdsMayChange) {
  for (const bool compared : {false, true}) {
    PooledModel edit;
    edit.set("id", {}, ElementType::kInt64, std::vector<int64_t>{70000});
    edit.insert("masked",
                make_node(compared ? "Equal" : "GreaterOrEqual", {"input_ids", "id"}, "is_word"));
    edit.insert("masked", make_node("Not", {"is_word"}, "is_other"));
    edit.insert("masked", make_node("Unsqueeze", {"is_other", "two"}, "others"));
    edit.insert("masked", make_node("Cast", {"others"}, "other_ones", {integer("to", 1)}));
    edit.insert("masked", make_node("Mul", {"ones", "other_ones"}, "kept"));
    edit.maker("masked").inputs[1] = "kept";
    edit.maker("count").inputs[0] = "kept";
    expect_refused(edit.model, compared ? "(Div): a sum over tokens that is no pooling"
                                        : "(Div): a sum over tokens that count by their ids");
  }
}

TEST(ImportPooling, TakesTheGreatestOfMaskedTokens) {
  EXPECT_EQ(pool_modes(MaximumModel(-INFINITY).model), std::vector{Pooling::kMax});
  EXPECT_EQ(pool_modes(MaximumModel(-1e9f).model), std::vector{Pooling::kMax});
}

TEST(ImportPooling, RefusesTheGreatestOfPadding) {
  const std::string_view why =
      "(ReduceMax): a maximum over hidden states whose padding is not -60000 or less";
  for (const float low : {-10000.0f, 1e9f}) {
    expect_refused(MaximumModel(low).model, "(Where): a choice that is no mask");
  }
  expect_refused(MaximumModel(0).model, why);
  MaximumModel bare(-1e9f);
  bare.maker("greatest").inputs[0] = "layer_norm_4";
  expect_refused(bare.model, why);
  MaximumModel bent(-1e9f);
  bent.insert("greatest", make_node("Tanh", {"filled"}, "bent"));
  bent.maker("greatest").inputs[0] = "bent";
  expect_refused(bent.model, why);
  MaximumModel turned(-1e9f);
  turned.maker("filled").inputs = {"seen", "low", "layer_norm_4"};
  expect_refused(turned.model, "(Where): hidden states replaced where no padding is");
  MaximumModel columns(-1e9f);
  columns.maker("greatest").inputs[1] = "two";
  expect_refused(columns.model, "(ReduceMax): axis 2; the tokens of [batch, sequence, hidden]");
}

TEST(ImportPooling, TakesPoolsSideBySide) {
  MaximumModel edit(-1e9f);
  edit.append(make_node("Concat", {"mean", "greatest"}, "two_pools", {integer("axis", -1)}));
  edit.append(make_node("Concat", {"select", "two_pools"}, "y", {integer("axis", 1)}));
  edit.answer("y");
  const std::vector wanted = {Pooling::kCls, Pooling::kMean, Pooling::kMax};
  EXPECT_EQ(pool_modes(edit.model), wanted);
  edit.maker("y").attributes = {integer("axis", 0)};
  expect_refused(edit.model, "(Concat): hidden states side by side");
  edit.maker("y").attributes = {integer("axis", 1)};
  edit.insert("y",
              make_node("Gather", {"layer_norm_2", "integer_0"}, "other", {integer("axis", 1)}));
  edit.set("integer_0", {}, ElementType::kInt64, std::vector<int64_t>{0});
  edit.maker("y").inputs[0] = "other";
  expect_refused(edit.model, "(Concat): hidden states side by side");
  edit.maker("other").op_type = "Tanh";
  edit.maker("other").inputs = {"select"};
  edit.maker("other").attributes = {};
  expect_refused(edit.model, "(Concat): hidden states side by side");
}

// The row of layer_norm_4 at "place" of each sequence, as transformers' classes of decoders have
// it: the last whose id is not `padding`.
struct PickedModel : EditableModel {
  explicit PickedModel(int64_t padding) {
    set("padding", {}, ElementType::kInt64, std::vector{padding});
    set("zero", {}, ElementType::kInt64, std::vector<int64_t>{0});
    set("one", {}, ElementType::kInt64, std::vector<int64_t>{1});
    set_integers("last", {-1});
    append(make_node("Equal", {"input_ids", "padding"}, "is_padding"));
    append(make_node("Not", {"is_padding"}, "is_word"));
    append(make_node("Cast", {"is_word"}, "words", {integer("to", 7)}));
    append(make_node("Shape", {"input_ids"}, "sizes"));
    append(make_node("Gather", {"sizes", "one"}, "tokens"));
    append(make_node("Gather", {"sizes", "zero"}, "batch"));
    append(make_node("Range", {"zero", "tokens", "one"}, "places"));
    append(make_node("Range", {"zero", "batch", "one"}, "rows"));
    append(make_node("Mul", {"places", "words"}, "word_places"));
    append(make_node("ArgMax", {"word_places"}, "place",
                     {integer("axis", -1), integer("keepdims", 0)}));
  }

  void pick_pairs() {
    append(make_node("Unsqueeze", {"rows", "last"}, "row_column"));
    append(make_node("Unsqueeze", {"place", "last"}, "place_column"));
    append(make_node("Concat", {"row_column", "place_column"}, "pairs", {integer("axis", -1)}));
    append(make_node("GatherND", {"layer_norm_4", "pairs"}, "y"));
    answer("y");
  }
  void pick_of_all() {
    append(make_node("Flatten", {"layer_norm_4"}, "all", {integer("axis", 2)}));
    append(make_node("Mul", {"rows", "tokens"}, "starts"));
    append(make_node("Add", {"place", "starts"}, "at"));
    append(make_node("Gather", {"all", "at"}, "y", {integer("axis", 0)}));
    answer("y");
  }
  void pick_elements() {
    set_integers("shape", {-1, 1, 1});
    set_integers("wide", {1, 1, 32});
    append(make_node("Reshape", {"place", "shape"}, "deep"));
    append(make_node("Expand", {"deep", "wide"}, "elements"));
    append(make_node("GatherElements", {"layer_norm_4", "elements"}, "y", {integer("axis", 1)}));
    answer("y");
  }
};

graph::PoolAttributes pool_of(const ModelProto& model) {
  const ImportedModel imported = import_onnx(model, "m.onnx");
  for (const graph::Node& node : imported.graph.nodes()) {
    if (node.op == graph::OpKind::kSequencePool) return node.attribute<graph::PoolAttributes>();
  }
  return {};
}

TEST(ImportPooling, TakesTheLastTokenThatIsNotPadding) {
  for (const int64_t padding : {0, 3, 9, 150}) {
    const graph::PoolAttributes wanted{{Pooling::kLastToken}, padding};
    for (void (PickedModel::*pick)() :
         {&PickedModel::pick_pairs, &PickedModel::pick_of_all, &PickedModel::pick_elements}) {
      PickedModel edit(padding);
      (edit.*pick)();
      EXPECT_EQ(pool_of(edit.model), wanted);
    }
  }
}

TEST(ImportPooling, RefusesTokensAtOtherPlaces) {
  const std::string_view why = "rows at places that name neither each sequence's first token nor";
  // All words but one, by an id that is not looked at in the batches.
  PickedModel other(150);
  other.maker("is_padding").op_type = "GreaterOrEqual";
  other.pick_pairs();
  expect_refused(other.model, why);
  // Before the first padding, as transformers had it before 4.50.
  PickedModel before(3);
  before.insert("word_places", make_node("Cast", {"is_padding"}, "paddings", {integer("to", 7)}));
  before.maker("place").inputs[0] = "paddings";
  before.maker("place").outputs[0] = "first_padding";
  before.append(make_node("Sub", {"first_padding", "one"}, "before"));
  before.append(make_node("Mod", {"before", "tokens"}, "place"));
  before.pick_of_all();
  expect_refused(before.model, cat("(Gather): ", why));
  // The last place of the batch, whoever's it is.
  PickedModel last(3);
  last.maker("place").inputs[0] = "all_places";
  last.insert("place", make_node("Mul", {"places", "ones"}, "all_places"));
  last.insert("all_places", make_node("Or", {"is_word", "is_padding"}, "is_any"));
  last.insert("all_places", make_node("Cast", {"is_any"}, "ones", {integer("to", 7)}));
  last.pick_pairs();
  expect_refused(last.model, cat("(GatherND): ", why));
}

TEST(ImportPooling, RefusesMoreThanOneTokenOfEach) {
  const std::string_view why = "more than one row of each sequence, or columns of several";
  PickedModel turned(3);
  turned.pick_pairs();
  turned.maker("pairs").inputs = {"place_column", "row_column"};
  expect_refused(turned.model, cat("(GatherND): ", why));
  PickedModel deep(3);
  deep.pick_pairs();
  deep.maker("y").attributes = {integer("batch_dims", 1)};
  expect_refused(deep.model, "(GatherND): elements that are no rows of [batch, sequence, hidden]");
  PickedModel narrow(3);
  narrow.pick_elements();
  narrow.set_integers("wide", {1, 1, 16});
  expect_refused(narrow.model, cat("(GatherElements): ", why));
  PickedModel mixed(3);
  mixed.pick_elements();
  std::vector<int64_t> columns(32, 1);
  columns[5] = 0;
  mixed.set("columns", {32}, ElementType::kInt64, std::move(columns));
  mixed.insert("y", make_node("Mul", {"elements", "columns"}, "some"));
  mixed.maker("y").inputs[1] = "some";
  expect_refused(mixed.model, cat("(GatherElements): ", why));
  PickedModel along(3);
  along.pick_elements();
  along.maker("y").attributes = {integer("axis", 2)};
  expect_refused(along.model, "(GatherElements): elements that are no rows of [batch, sequence,");
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
