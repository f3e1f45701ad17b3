#include "onnx/import_onnx.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "onnx/test_util.h"

namespace tamis::onnx {
namespace {

TEST(ImportOnnx, SaysWhatTheModelIs) {
  const ImportedModel imported = import_onnx(EditableModel().model, "m.onnx");
  EXPECT_EQ(imported.output, OutputKind::kSequenceLogits);
  EXPECT_EQ(imported.vocab_size, 120);
  EXPECT_EQ(imported.type_vocab_size, 2);
  EXPECT_EQ(imported.hidden_size, 32);
  EXPECT_EQ(imported.output_size, 3);
  EXPECT_EQ(imported.max_positions, 40);
  EXPECT_EQ(imported.activation_scales, 0);
}

TEST(ImportOnnx, NamesModulesAsTransformersDoes) {
  const std::string text = graph::print(import_onnx(EditableModel().model, "m.onnx").graph);
  for (const std::string_view part :
       {"bert.embeddings.word_embeddings.weight", "bert.encoder.layer.1.attention.self.key.weight",
        "bert.encoder.layer.0.attention.output.LayerNorm.bias", "attention_scale",
        "bert.pooler.dense.weight", "classifier.bias"}) {
    EXPECT_NE(text.find(part), text.npos) << part << "\n" << text;
  }
  EXPECT_EQ(text.find("m.bert"), text.npos) << text;
}

TEST(ImportOnnx, GivesAnEncoderAloneThePrefixOfItsClass) {
  EditableModel edit;
  edit.answer("layer_norm_4");
  for (TensorProto& tensor : edit.model.graph.initializers) {
    if (tensor.name.starts_with("m.bert.")) tensor.name = tensor.name.substr(7);
  }
  for (NodeProto& node : edit.model.graph.nodes) {
    for (std::string& input : node.inputs) {
      if (input.starts_with("m.bert.")) input = input.substr(7);
    }
  }
  const std::string bare = graph::print(import_onnx(edit.model, "m.onnx").graph);
  EXPECT_NE(bare.find("%embeddings.word_embeddings.weight"), bare.npos) << bare;
  const ImportedModel imported = import_onnx(edit.model, "m.onnx", {"bert"});
  const std::string text = graph::print(imported.graph);
  EXPECT_NE(text.find("%bert.embeddings.word_embeddings.weight"), text.npos) << text;
  EXPECT_NE(text.find("%bert.encoder.layer.0.output.dense.bias"), text.npos) << text;
  EXPECT_EQ(imported.output, OutputKind::kTokenEmbeddings);
  ASSERT_EQ(imported.graph.outputs().size(), 1u);
  EXPECT_EQ(imported.graph.outputs()[0].name, "token_embeddings");
  EXPECT_EQ(imported.output_size, 32);
}

// Ids that the batches do not have would show it.
TEST(ImportOnnx, RefusesMasksAndRowsOfOtherIds) {
  EditableModel edit;
  edit.set_integers("most", {110});
  edit.model.graph.nodes.insert(edit.model.graph.nodes.begin(),
                                make_node("Mod", {"input_ids", "most"}, "fewer"));
  for (NodeProto& node : edit.model.graph.nodes) {
    if (node.op_type == "Gather" && node.inputs[1] == "input_ids") node.inputs[1] = "fewer";
  }
  expect_refused(edit.model, "\"fewer\" depends on ids, but is neither them");

  EditableModel masked;
  masked.set_integers("most", {110});
  masked.set_integers("axes", {1, 2});
  masked.set_floats("low", {}, {-3.4e38f});
  masked.insert("add_4", make_node("Greater", {"input_ids", "most"}, "rare"));
  masked.insert("add_4", make_node("Unsqueeze", {"rare", "axes"}, "rare_keys"));
  masked.insert("add_4", make_node("Where", {"rare_keys", "low", "where"}, "hidden_keys"));
  for (std::string& input : masked.maker("add_4").inputs) {
    if (input == "where") input = "hidden_keys";
  }
  expect_refused(masked.model, "a mask that depends on ids, but not by comparing");
}

// Clipping shows where the bounds are.
TEST(ImportOnnx, RefusesBoundsOfHiddenStates) {
  for (const float most : {5.0f, 10.0f, 200.0f}) {
    EditableModel edit;
    edit.set_floats("least", {}, {-most});
    edit.set_floats("most", {}, {most});
    edit.insert("view", make_node("Clip", {"linear", "least", "most"}, "clipped"));
    edit.maker("view").inputs[0] = "clipped";
    expect_refused(edit.model, "function");
  }
}

TEST(ImportOnnx, TakesAWholeAttentionOperator) {
  EditableModel edit;
  const std::string expected = graph::print(import_onnx(edit.model, "m.onnx").graph);
  // Keys as they are, not turned; the operator turns them.
  edit.maker("transpose_3").attributes[0].integers = {0, 2, 1, 3};
  for (const char* gone : {"matmul", "mul", "add_4", "softmax"}) {
    std::erase_if(edit.model.graph.nodes,
                  [gone](const NodeProto& node) { return node.outputs[0] == gone; });
  }
  NodeProto& node = edit.maker("matmul_1");
  node.op_type = "Attention";
  node.inputs = {"transpose", "transpose_3", "transpose_2", "where"};
  node.attributes = {number("scale", 0.25f)};
  EXPECT_EQ(graph::print(import_onnx(edit.model, "m.onnx").graph), expected);
  // With the mask and, as a token sees no padding behind it, without.
  node.attributes = {integer("is_causal", 1)};
  const std::string causal = graph::print(import_onnx(edit.model, "m.onnx").graph);
  EXPECT_NE(causal.find("right=0"), causal.npos);
  node.inputs.pop_back();
  EXPECT_EQ(graph::print(import_onnx(edit.model, "m.onnx").graph), causal);
  for (const int64_t value : {-1, 2}) {
    node.attributes = {integer("is_causal", value)};
    expect_refused(edit.model, cat("(Attention): is_causal is ", value, "; 0 and 1 are accepted"));
  }
  node.attributes = {number("softcap", 30)};
  expect_refused(edit.model, "(Attention): softcap is set");
}

TEST(ImportOnnx, RefusesMasksThatLeaveSomethingOfPadding) {
  EditableModel edit;
  edit.set_floats("val_63", {}, {-10000});
  expect_refused(edit.model,
                 "m.onnx: node 46 \"node_add_4\" (Add): what is added to attention's scores is no "
                 "mask: a mask value of -10000");
  edit.maker("where").inputs = {"bitwise_and_1", "val_63", "zeros"};
  expect_refused(edit.model, "(Add): what is added to attention's scores is no mask");
}

TEST(ImportOnnx, RefusesAFactorThatLeavesNothing) {
  EditableModel edit;
  edit.insert("mul", make_node("Div", {"matmul", "nothing"}, "divided"));
  for (std::string& input : edit.maker("mul").inputs) {
    if (input == "matmul") input = "divided";
  }
  for (const float value : {0.0f, INFINITY}) {
    edit.set_floats("nothing", {}, {value});
    expect_refused(edit.model, "\"node_softmax\" (Softmax): a factor of ");
  }
}

TEST(ImportOnnx, RefusesASecondMask) {
  EditableModel edit;
  edit.insert("softmax", make_node("Add", {"add_4", "where"}, "twice"));
  edit.maker("softmax").inputs = {"twice"};
  expect_refused(edit.model, "\"test_Add\" (Add): a second mask on the same scores");
}

TEST(ImportOnnx, RefusesScoresWithoutAMask) {
  EditableModel edit;
  edit.maker("softmax").inputs = {"mul"};
  expect_refused(edit.model, "\"node_softmax\" (Softmax): attention without a mask");
}

TEST(ImportOnnx, RefusesABiasOnScores) {
  EditableModel edit;
  edit.insert("softmax", make_node("Add", {"add_4", "matmul"}, "biased"));
  edit.maker("softmax").inputs = {"biased"};
  expect_refused(edit.model, "\"test_Add\" (Add): a bias on attention's scores");
}

TEST(ImportOnnx, RefusesHeadsThatAreNotTheHiddenSize) {
  EditableModel edit;
  // Four heads of 16 on hidden states of 32: projections twice as wide.
  for (const auto& [weight, bias] :
       {std::pair("val_64", "query"), std::pair("val_72", "key"), std::pair("val_80", "value")}) {
    edit.set_floats(weight, {32, 64}, std::vector<float>(32 * 64, 0.1f));
    edit.set_floats(cat("m.bert.encoder.layer.0.attention.self.", bias, ".bias"), {64},
                    std::vector<float>(64, 0.1f));
  }
  expect_refused(edit.model, "(Softmax): 4 heads of 16 on hidden states of 32");
}

TEST(ImportOnnx, RefusesCrossAttention) {
  EditableModel edit;
  edit.maker("matmul").inputs = {"transpose", "transpose"};
  expect_refused(edit.model,
                 "\"node_matmul\" (MatMul): a product of hidden states that is not "
                 "attention's");
}

TEST(ImportOnnx, TakesTheMaskOfScoresAgainAfterTheSoftmax) {
  EditableModel edit;
  edit.insert("matmul_1", make_node("Where", {"bitwise_and_1", "softmax", "zeros"}, "seen"));
  edit.maker("matmul_1").inputs[0] = "seen";
  EXPECT_EQ(graph::print(import_onnx(edit.model, "m.onnx").graph),
            graph::print(import_onnx(EditableModel().model, "m.onnx").graph));
  // Of those keys only the ones that are not behind their query.
  edit.set_integers("one", {1});
  edit.insert("seen", make_node("Unsqueeze", {"arange_2", "one"}, "queries"));
  edit.insert("seen", make_node("GreaterOrEqual", {"queries", "arange_2"}, "causal"));
  edit.insert("seen", make_node("And", {"bitwise_and_1", "causal"}, "narrower"));
  edit.maker("seen").inputs[0] = "narrower";
  expect_refused(edit.model,
                 "\"test_Where\" (Where): probabilities masked otherwise than their scores were");
}

TEST(ImportOnnx, RefusesASoftmaxOverQueries) {
  EditableModel edit;
  edit.insert("softmax", make_node("Transpose", {"mul"}, "turned", {ints("perm", {0, 1, 3, 2})}));
  edit.maker("softmax").inputs = {"turned"};
  expect_refused(edit.model,
                 "(Softmax): attention's scores whose last two axes are not queries and their "
                 "keys");
  edit.maker("softmax").inputs = {"add_4"};
  edit.maker("turned").inputs = {"softmax"};
  std::swap(edit.maker("turned"), edit.maker("softmax"));
  edit.maker("matmul_1").inputs[0] = "turned";
  expect_refused(edit.model, "(MatMul): attention's scores whose last two axes are not");
}

TEST(ImportOnnx, RefusesAConstantWhereHiddenStatesBelong) {
  for (const char* op : {"Reshape", "Expand", "Split", "QuantizeLinear"}) {
    EditableModel edit;
    edit.append(make_node(op, {"val_88", "layer_norm"}, "y"));
    expect_refused(edit.model, cat("(", op, "): input 0 \"val_88\" is a constant or made of ids"));
  }
  EditableModel slice;
  slice.append(make_node("Slice", {"val_9", "layer_norm", "val_9"}, "y"));
  expect_refused(slice.model, "(Slice): input 0 \"val_9\" is a constant");
  for (const char* op : {"QLinearAdd", "QLinearMul"}) {
    EditableModel edit;
    NodeProto node =
        make_node(op, {"token_type_ids", "val_88", "", "token_type_ids", "val_88", ""}, "y");
    node.domain = "com.microsoft";
    edit.append(node);
    expect_refused(edit.model, cat("(com.microsoft.", op, "): integers that no operator before"));
  }
}

TEST(ImportOnnx, RefusesPartsThatDependOnTheBatch) {
  EditableModel edit;
  // As many axes as the batch has sequences.
  edit.append(make_node("Range", {"val_20", "sym_size_int_6", "val_22"}, "axes"));
  edit.append(make_node("Slice", {"layer_norm", "axes", "axes"}, "y"));
  expect_refused(edit.model, "\"test_Slice\" (Slice): axes that depend on the batch");
}

TEST(ImportOnnx, RefusesPackedWeightsOfOtherShapes) {
  EditableModel edit;
  NodeProto node = make_node("Attention", {"layer_norm", "val_64"}, "y",
                             {integer("num_heads", 2), number("mask_filter_value", -1e9f)});
  node.domain = "com.microsoft";
  edit.append(node);
  expect_refused(edit.model, "(com.microsoft.Attention): queries, keys and values that are not");
  edit.set_floats("packed", {32, 96}, std::vector<float>(32 * 96));
  NodeProto& last = edit.model.graph.nodes.back();
  last.inputs[1] = "packed";
  for (const char* bias : {"val_88", "m.classifier.bias", "val_64"}) {
    last.inputs = {"layer_norm", "packed", bias};
    expect_refused(edit.model, "(com.microsoft.Attention): queries, keys and values that are not");
  }
  last.inputs[1] = "val_88";
  expect_refused(edit.model, "(com.microsoft.Attention): queries, keys and values that are not");
}

TEST(ImportOnnx, RefusesTablesOfAnotherRank) {
  EditableModel edit;
  NodeProto node = make_node("EmbedLayerNormalization",
                             {"input_ids", "", "val_88", "val_88", "", "val_88", "val_88"}, "y");
  node.domain = "com.microsoft";
  edit.append(node);
  expect_refused(edit.model, "\"val_88\" is no constant table of rows");
}

TEST(ImportOnnx, RefusesHalvesOfHeadsOneAboveTheOther) {
  EditableModel edit;
  edit.set_integers("half", {8});
  edit.set_integers("end", {16});
  edit.append(make_node("Slice", {"transpose", "val_9", "half", "val_40"}, "first"));
  edit.append(make_node("Slice", {"transpose", "half", "end", "val_40"}, "second"));
  edit.append(make_node("Neg", {"second"}, "negated"));
  edit.append(make_node("Concat", {"negated", "first"}, "y", {integer("axis", -1)}));
  (void)import_onnx(edit.model, "m.onnx");
  edit.maker("y").attributes = {integer("axis", 2)};
  expect_refused(edit.model, "(Concat): halves of heads that are not joined along the last axis");
}

TEST(ImportOnnx, PassesOverWhatOtherOutputsAloneAreMadeOf) {
  EditableModel edit;
  const std::string expected = graph::print(import_onnx(edit.model, "m.onnx").graph);
  edit.append(make_node("Softmax", {"logits"}, "probabilities", {integer("axis", -1)}));
  expect_refused(edit.model, "\"test_Softmax\" (Softmax): ");
  edit.model.graph.outputs.push_back({"probabilities", ElementType::kFloat, {}, ""});
  EXPECT_EQ(graph::print(import_onnx(edit.model, "m.onnx").graph), expected);
  edit.answer("probabilities");
  expect_refused(edit.model, "\"test_Softmax\" (Softmax): ");
}

TEST(ImportOnnx, RefusesANodeWithoutOutputs) {
  EditableModel edit;
  edit.append(make_node("Shape", {"layer_norm"}, ""));
  edit.model.graph.nodes.back().outputs.clear();
  expect_refused(edit.model, "\"test_Shape\" (Shape): has no output", ErrorCode::kCorruptData);
}

TEST(ImportOnnx, KeepsOwnConstantsApartFromTheFilesByTheSameName) {
  EditableModel edit;
  // What a norm without gamma multiplies by would be called so.
  edit.set_floats("attention_scale", {32}, std::vector<float>(32, 3.0f));
  edit.maker("linear").inputs[1] = "attention_scale";
  const graph::Graph graph = import_onnx(edit.model, "m.onnx").graph;
  int scales = 0;
  for (const graph::Node& node : graph.nodes()) {
    if (node.op != graph::OpKind::kMul) continue;
    const Tensor& factor = *graph.value(node.operand(graph::Operand::kY)).constant;
    EXPECT_EQ(factor.as<float>()[0], 0.25f);
    ++scales;
  }
  EXPECT_EQ(scales, 2);
}

TEST(ImportOnnx, RefusesAFunctionThatIsNoActivation) {
  EditableModel edit;
  edit.set_floats("val_105", {}, {0.4f});
  expect_refused(edit.model, "a function of hidden states that is no activation");
}

TEST(ImportOnnx, RefusesAnotherTokenThanTheFirst) {
  EditableModel edit;
  edit.maker("select").inputs[1] = "val_22";
  expect_refused(edit.model, "\"node_select\" (Gather): token 1 of each sequence");
}

TEST(ImportOnnx, RefusesUnknownOperators) {
  EditableModel edit;
  edit.maker("tanh").op_type = "Selu";
  expect_refused(edit.model, "\"node_tanh\" (Selu): this operator is not understood");
  edit.maker("tanh").domain = "my.domain";
  expect_refused(edit.model, "(my.domain.Selu)");
  edit.maker("_to_copy").op_type = "Det";
  expect_refused(edit.model, "(Det): this operator is not built for values that follow from ids");
}

TEST(ImportOnnx, RefusesInputsAndOutputsThatItDoesNotKnow) {
  EditableModel edit;
  edit.model.graph.inputs[2].name = "position_ids";
  expect_refused(edit.model, "input \"position_ids\"; accepted are input_ids");
  EditableModel fixed;
  fixed.model.graph.inputs[0].dims = {{DimProto{1, ""}, DimProto{{}, "s"}}};
  expect_refused(fixed.model, "input \"input_ids\" has a fixed size of 1");
  EditableModel two;
  two.model.graph.outputs[0].name = "linear_13";
  two.model.graph.outputs.push_back({"tanh", ElementType::kFloat, {}, ""});
  two.maker("logits").outputs[0] = "linear_13";
  expect_refused(two.model, "outputs linear_13, tanh; which one is the answer");
}

TEST(ImportOnnx, RefusesOpsetsThatItDoesNotKnow) {
  EditableModel edit;
  for (const int64_t opset : {9, 10, 24, 99}) {
    edit.model.opsets[0].version = opset;
    expect_refused(edit.model, cat("opset ", opset, "; accepted are 11 to 23"));
  }
  edit.model.opsets.clear();
  expect_refused(edit.model, "opset 0");
}

TEST(ImportOnnx, RefusesFunctionsAndControlFlow) {
  EditableModel edit;
  edit.model.functions = 2;
  expect_refused(edit.model, "2 functions of its own");
  EditableModel loop;
  loop.maker("tanh").op_type = "Loop";
  expect_refused(loop.model, "(Loop): this operator is not understood");
  EditableModel branch;
  branch.maker("tanh").op_type = "If";
  expect_refused(branch.model, "(If): input 0 \"linear_12\" depends on hidden states");
}

// "select" [batch, 1, hidden] without the axis of size 1, if the size at `index` of its shape is 1,
// as torch.onnx writes a squeeze.
struct BranchModel : EditableModel {
  explicit BranchModel(int64_t index) {
    set_integers("one", {1});
    set_integers("index", {index});
    append(make_node("Unsqueeze", {"select", "one"}, "wide"));
    append(make_node("Shape", {"wide"}, "sizes"));
    append(make_node("Gather", {"sizes", "index"}, "size"));
    append(make_node("Equal", {"size", "one"}, "is_one"));
    append(make_node("If", {"is_one"}, "y",
                     {branch("then_branch", make_node("Squeeze", {"wide", "one"}, "narrow")),
                      branch("else_branch", make_node("Identity", {"wide"}, "same"))}));
    answer("y");
  }

  static AttributeProto branch(std::string name, NodeProto node) {
    GraphProto graph;
    graph.outputs = {{node.outputs[0], ElementType::kFloat, {}, ""}};
    graph.nodes = {std::move(node)};
    AttributeProto attribute;
    attribute.name = std::move(name);
    attribute.kind = AttributeKind::kGraph;
    attribute.graphs = {std::move(graph)};
    return attribute;
  }
};

TEST(ImportOnnx, TakesTheBranchThatEveryBatchTakes) {
  EXPECT_EQ(import_onnx(BranchModel(1).model, "m.onnx").output, OutputKind::kSentenceEmbedding);
  BranchModel other(-1);
  other.maker("y").attributes[0].graphs[0].nodes[0].op_type = "Loop";
  EXPECT_EQ(import_onnx(other.model, "m.onnx").output, OutputKind::kSentenceEmbedding);
  other.maker("y").attributes[1].graphs[0].nodes[0].op_type = "Loop";
  expect_refused(other.model, "(Loop): this operator is not understood");
}

// Two counts of the same thing, each by moves of its own, as DeBERTa's functions compare the
// lengths of queries and keys.
TEST(ImportOnnx, TakesABranchBySizesThatAreEqualInEveryBatch) {
  BranchModel same(0);
  same.insert("is_one", make_node("Slice", {"sizes", "zero", "one"}, "sliced"));
  same.set_integers("zero", {0});
  same.insert("is_one", make_node("Squeeze", {"sliced", "zero"}, "counted"));
  same.maker("is_one").inputs = {"size", "counted"};
  EXPECT_EQ(import_onnx(same.model, "m.onnx").output, OutputKind::kSentenceEmbedding);
  // What is equal in the probes alone does not count.
  BranchModel doubled(0);
  doubled.insert("is_one", make_node("Mul", {"size", "one"}, "product"));
  doubled.maker("is_one").inputs = {"size", "product"};
  expect_refused(doubled.model, "(If): a branch that depends on the batch");
}

// ONNX Runtime's quantizers put what a branch alone reads behind it.
TEST(ImportOnnx, ReadsWhatBranchesReadBeforeThem) {
  BranchModel edit(1);
  const NodeProto wide = edit.maker("wide");
  edit.append(wide);
  edit.maker("wide").outputs[0] = "other";
  edit.maker("sizes").inputs[0] = "other";
  ASSERT_EQ(edit.model.graph.nodes.back().outputs[0], "wide");
  EXPECT_EQ(graph::print(import_onnx(edit.model, "m.onnx").graph),
            graph::print(import_onnx(BranchModel(1).model, "m.onnx").graph));
  std::ranges::reverse(edit.model.graph.nodes);
  EXPECT_EQ(import_onnx(edit.model, "m.onnx").output, OutputKind::kSentenceEmbedding);
}

TEST(ImportOnnx, RefusesBranchesThatBatchesTell) {
  expect_refused(BranchModel(0).model, "(If): a branch that depends on the batch");
  BranchModel computed(1);
  computed.maker("size").inputs[0] = "shape";
  computed.insert("size", make_node("Shape", {"attention_mask"}, "shape"));
  expect_refused(computed.model, "(If): a branch that depends on the batch");
  BranchModel empty(1);
  empty.maker("y").attributes.erase(empty.maker("y").attributes.begin());
  expect_refused(empty.model, "(If): has no then_branch", ErrorCode::kCorruptData);
  BranchModel nothing(1);
  nothing.maker("y").attributes[0].graphs[0].outputs[0].name = "gone";
  expect_refused(nothing.model, "output \"y\": is not made of hidden states");
}

TEST(ImportOnnx, RefusesGraphsThatDoNotHang) {
  EditableModel cyclic;
  cyclic.maker("linear").inputs[0] = "logits";
  expect_refused(cyclic.model, "(Add): reads \"logits\", which nothing before it makes",
                 ErrorCode::kCorruptData);
  EditableModel twice;
  twice.maker("linear_1").outputs[0] = "linear";
  expect_refused(twice.model, "makes \"linear\", which is there already", ErrorCode::kCorruptData);
  EditableModel nameless;
  nameless.maker("tanh").name = "";
  nameless.maker("tanh").inputs[0] = "gone";
  expect_refused(nameless.model, "m.onnx: node 103 (Tanh): reads \"gone\"",
                 ErrorCode::kCorruptData);
}

TEST(ImportOnnx, RefusesWeightsThatAreNotFinite) {
  EditableModel edit;
  edit.set_floats("m.classifier.bias", {3}, {0, NAN, 0});
  expect_refused(edit.model, "tensor \"m.classifier.bias\" holds NaN or infinity at element 1",
                 ErrorCode::kCorruptData);
  // Of a matrix that lies turned, its place in the file.
  EditableModel turned;
  std::vector<float> values(32 * 32, 0.5f);
  values[3 * 32 + 5] = INFINITY;
  const std::string name = turned.maker("val_65").inputs[1];
  turned.set_floats(name, {32, 32}, values);
  expect_refused(turned.model, cat("\"", name, "\" holds NaN or infinity at element 101"),
                 ErrorCode::kCorruptData);
}

TEST(ImportOnnx, RefusesTypesThatDoNotFit) {
  EditableModel edit;
  edit.maker("_to_copy").inputs[0] = "layer_norm";
  expect_refused(edit.model, "(Cast): hidden states as BOOL");
  EditableModel kind;
  kind.maker("select").attributes = {number("axis", 1)};
  expect_refused(kind.model, "attribute \"axis\" is of kind 1, not 2", ErrorCode::kCorruptData);
}

}  // namespace
}  // namespace tamis::onnx
