// What attention of other families than BERT's is told by, and what is refused of it.
#include <gtest/gtest.h>

#include <algorithm>

#include "kernels/reference/position_buckets.h"
#include "onnx/import_onnx.h"
#include "onnx/test_util.h"

namespace tamis::onnx {
namespace {

// The attributes of the file's first attention.
graph::AttentionAttributes first_attention(const ModelProto& model) {
  const graph::Graph graph = import_onnx(model, "m.onnx").graph;
  for (const graph::Node& node : graph.nodes()) {
    if (node.op == graph::OpKind::kAttentionScores) {
      return node.attribute<graph::AttentionAttributes>();
    }
  }
  throw std::runtime_error("no attention");
}

int64_t count(const graph::Graph& graph, graph::OpKind op) {
  return std::ranges::count_if(graph.nodes(),
                               [op](const graph::Node& node) { return node.op == op; });
}

// The first node of that operator.
NodeProto& first_of(EditableModel& edit, std::string_view op) {
  for (NodeProto& node : edit.model.graph.nodes) {
    if (node.op_type == op) return node;
  }
  throw std::runtime_error("no such operator");
}

constexpr const char* kDebertaV1 = "deberta-base-legacy-op14-eager.onnx";
constexpr const char* kDebertaV2 = "deberta-v2-cls-legacy-op14-eager.onnx";
constexpr const char* kQwen3 = "qwen3-base-legacy-op17-sdpa.onnx";
constexpr const char* kLlama = "llama-base-dynamo-op23-sdpa.onnx";
constexpr const char* kEsm = "esm-base-legacy-op17-eager.onnx";
constexpr const char* kT5 = "t5-base-gated-legacy-op17-sdpa.onnx";

TEST(ImportFamilies, TellsDebertasPositions) {
  const graph::AttentionAttributes v2 = first_attention(EditableModel(kDebertaV2).model);
  EXPECT_EQ(v2.position_buckets, 8);
  EXPECT_GT(v2.max_relative_positions, 8);
  const graph::AttentionAttributes v1 = first_attention(EditableModel(kDebertaV1).model);
  EXPECT_EQ(v1.position_buckets, 0);
  EXPECT_EQ(v1.max_relative_positions, 40);
  const graph::Graph graph = import_onnx(EditableModel(kDebertaV2).model, "m.onnx").graph;
  EXPECT_NE(graph::print(graph).find("deberta.encoder.layer.0.attention.self.position_keys"),
            std::string::npos);
  EXPECT_EQ(count(graph, graph::OpKind::kUnfold), 1);
}

TEST(ImportFamilies, CountsMaskedTokens) {
  EditableModel edit(kEsm);
  const graph::Graph graph = import_onnx(edit.model, "m.onnx").graph;
  EXPECT_NE(graph::print(graph).find("{mask_token=120, kept=0.88}"), std::string::npos);
  EXPECT_EQ(count(graph, graph::OpKind::kTokenDropout), 1);
  // Masks whose share is not counted.
  NodeProto& share = first_of(edit, "Sub");
  edit.set("none", {}, ElementType::kFloat, std::vector<float>{0});
  share.inputs[1] = "none";
  EXPECT_THROW((void)import_onnx(edit.model, "m.onnx"), Error);
}

// Below opset 17 a norm has eight nodes, and the first reads what the count of masks is still part
// of.
TEST(ImportFamilies, CountsMaskedTokensInFrontOfANormInSteps) {
  EditableModel edit(kEsm);
  const graph::Graph before = import_onnx(edit.model, "m.onnx").graph;
  const NodeProto norm = first_of(edit, "LayerNormalization");
  const std::string& out = norm.outputs[0];
  edit.set_floats("square", {}, {2});
  edit.set_floats("tiny", {}, {1e-5f});
  edit.insert(out, make_node("ReduceMean", {norm.inputs[0]}, "mean", {ints("axes", {-1})}));
  edit.insert(out, make_node("Sub", {norm.inputs[0], "mean"}, "centered"));
  edit.insert(out, make_node("Pow", {"centered", "square"}, "squares"));
  edit.insert(out, make_node("ReduceMean", {"squares"}, "variance", {ints("axes", {-1})}));
  edit.insert(out, make_node("Add", {"variance", "tiny"}, "shifted"));
  edit.insert(out, make_node("Sqrt", {"shifted"}, "deviation"));
  edit.insert(out, make_node("Div", {"centered", "deviation"}, "normal"));
  edit.insert(out, make_node("Mul", {"normal", norm.inputs[1]}, "scaled"));
  edit.maker(out) = make_node("Add", {"scaled", norm.inputs[2]}, out);
  const graph::Graph graph = import_onnx(edit.model, "m.onnx").graph;
  EXPECT_EQ(count(graph, graph::OpKind::kTokenDropout), 1);
  EXPECT_EQ(graph.nodes().size(), before.nodes().size());
  EXPECT_EQ(count(graph, graph::OpKind::kLayerNormalization),
            count(before, graph::OpKind::kLayerNormalization));
}

TEST(ImportFamilies, RefusesRowsThatDistancesDoNotTell) {
  EditableModel edit(kDebertaV2);
  NodeProto& gather = first_of(edit, "GatherElements");
  const std::string ids = gather.inputs[1];
  edit.set("two", {}, ElementType::kInt64, std::vector<int64_t>{2});
  edit.insert(gather.outputs[0], make_node("Mod", {ids, "two"}, "other"));
  first_of(edit, "GatherElements").inputs[1] = "other";
  expect_refused(edit.model, "does not name a row for each distance by DeBERTa's rule");
}

TEST(ImportFamilies, RefusesElementsOfSomethingElse) {
  EditableModel edit;
  edit.append(make_node("GatherElements", {"layer_norm", "input_ids"}, "y"));
  expect_refused(edit.model, "(GatherElements): elements that are no rows of [batch, sequence,");
  edit.maker("y").inputs[0] = first_of(edit, "Softmax").inputs[0];
  expect_refused(edit.model, "(GatherElements): elements of something that is not queries or keys");
}

TEST(ImportFamilies, RefusesABiasByPositionOfOtherKeys) {
  EditableModel edit(kDebertaV2);
  // Both products of the queries: the second is to be the keys'.
  std::vector<NodeProto*> gathers;
  for (NodeProto& node : edit.model.graph.nodes) {
    if (node.op_type == "GatherElements") gathers.push_back(&node);
  }
  ASSERT_GE(gathers.size(), 2U);
  gathers[1]->inputs[0] = gathers[0]->inputs[0];
  expect_refused(edit.model, "by position");
}

TEST(ImportFamilies, RefusesConvolutionsThatReachElsewhere) {
  EditableModel edit(kDebertaV2);
  for (AttributeProto& attribute : first_of(edit, "Conv").attributes) {
    if (attribute.name == "pads") attribute.integers = {2, 0};
  }
  expect_refused(edit.model, "(Conv): a convolution that is not of masked hidden states");
}

TEST(ImportFamilies, TellsDecoders) {
  const graph::Graph graph = import_onnx(EditableModel(kQwen3).model, "m.onnx").graph;
  EXPECT_GT(count(graph, graph::OpKind::kRMSNormalization), 4);
  EXPECT_EQ(count(graph, graph::OpKind::kRotary), 4);
  const graph::AttentionAttributes attributes = first_attention(EditableModel(kLlama).model);
  EXPECT_EQ(attributes.heads, 2);
  EXPECT_EQ(attributes.kv_heads, 1);
  EXPECT_EQ(attributes.left, -1);
  EXPECT_EQ(attributes.right, 0);
}

TEST(ImportFamilies, RefusesRotaryEmbeddingsOfPartsOfHeads) {
  EditableModel edit(kLlama);
  first_of(edit, "RotaryEmbedding").attributes.push_back(integer("rotary_embedding_dim", 4));
  expect_refused(edit.model, "(RotaryEmbedding): rotary_embedding_dim is set; 0 is accepted");
}

TEST(ImportFamilies, TellsT5sBuckets) {
  const graph::AttentionAttributes attributes = first_attention(EditableModel(kT5).model);
  EXPECT_EQ(attributes.bias, graph::BiasRule::kT5);
  // Another end of distances may give the same buckets.
  for (int64_t distance = -600; distance < 600; ++distance) {
    EXPECT_EQ(kernels::reference::t5_bucket(distance, 8, attributes.max_distance),
              kernels::reference::t5_bucket(distance, 8, 12))
        << distance;
  }
  EXPECT_EQ(attributes.scale, 1);
}

// A bias that falls with the distance, in front of the mask or in one array with it.
TEST(ImportFamilies, TellsAlibi) {
  EditableModel edit;
  edit.set_integers("one", {1});
  edit.set_integers("zero", {0});
  edit.set_floats("slopes", {2, 1, 1}, {-0.5f, -0.25f});
  for (NodeProto& node :
       std::vector<NodeProto>{make_node("Unsqueeze", {"arange_2", "one"}, "queries"),
                              make_node("Unsqueeze", {"arange_2", "zero"}, "places"),
                              make_node("Sub", {"queries", "places"}, "apart"),
                              make_node("Abs", {"apart"}, "distances"),
                              make_node("Cast", {"distances"}, "floats",
                                        {integer("to", static_cast<int64_t>(ElementType::kFloat))}),
                              make_node("Mul", {"floats", "slopes"}, "alibi"),
                              make_node("Add", {"mul", "alibi"}, "biased")}) {
    edit.insert("add_4", std::move(node));
  }
  for (std::string& input : edit.maker("add_4").inputs) {
    if (input == "mul") input = "biased";
  }
  const graph::AttentionAttributes attributes = first_attention(edit.model);
  EXPECT_EQ(attributes.bias, graph::BiasRule::kAlibi);
  edit.maker("biased").inputs = {"where", "alibi"};
  edit.maker("add_4").inputs = {"mul", "biased"};
  EXPECT_EQ(first_attention(edit.model).bias, graph::BiasRule::kAlibi);
  edit.set_floats("slopes", {3, 1, 1}, {-0.5f, -0.25f, -0.1f});
  expect_refused(edit.model, "is no mask");
}

// A node that reads another value, or none: taken where that makes no difference, else refused.
TEST(ImportFamilies, RefusesNodesThatReadSomethingElse) {
  struct Row {
    const char* file;
    size_t every;
  };
  for (const auto& [file, every] : {Row{kLlama, 5}, Row{kDebertaV2, 43}, Row{kT5, 29}}) {
    const EditableModel whole(file);
    int refused = 0;
    for (size_t i = 1; i < whole.model.graph.nodes.size(); i += every) {
      for (const char* other : {"input_ids", ""}) {
        ModelProto model = whole.model;
        if (model.graph.nodes[i].inputs.empty()) continue;
        model.graph.nodes[i].inputs.back() = other;
        try {
          (void)import_onnx(model, "m.onnx");
        } catch (const Error& error) {
          EXPECT_TRUE(error.code() == ErrorCode::kUnsupported ||
                      error.code() == ErrorCode::kCorruptData)
              << error.what();
          ++refused;
        }
      }
    }
    EXPECT_GT(refused, 8) << file;
  }
}

constexpr const char* kBart = "bart-cls-legacy-op17-sdpa.onnx";
constexpr const char* kT5Classes = "t5-cls-legacy-op17.onnx";
constexpr const char* kRowsOfToken = "/m/Reshape_output_0";

// The nodes of an operator.
std::vector<graph::Node> nodes_of(const ModelProto& model, graph::OpKind op) {
  std::vector<graph::Node> found;
  const ImportedModel imported = import_onnx(model, "m.onnx");
  for (const graph::Node& node : imported.graph.nodes()) {
    if (node.op == op) found.push_back(node);
  }
  return found;
}

TEST(ImportDecoders, ReadWhatComesBeforeAndTheLastRowOfTheEnd) {
  EditableModel edit(kBart);
  const auto shifts = nodes_of(edit.model, graph::OpKind::kShiftIds);
  ASSERT_EQ(shifts.size(), 1u);
  EXPECT_EQ(shifts[0].attribute<graph::ShiftIdsAttributes>().first, 2);
  const auto pools = nodes_of(edit.model, graph::OpKind::kSequencePool);
  ASSERT_EQ(pools.size(), 1u);
  EXPECT_EQ(pools[0].attribute<graph::PoolAttributes>().token, 2);
  // A slice takes the same row.
  NodeProto& last = edit.maker("/m/Gather_1_output_0");
  edit.set_integers("from", {-1});
  edit.set_integers("to", {1 << 20});
  edit.set_integers("axis", {1});
  last = make_node("Reshape", {"row", "flat"}, last.outputs[0]);
  edit.insert(last.outputs[0], make_node("Slice", {kRowsOfToken, "from", "to", "axis"}, "row"));
  edit.set_integers("flat", {-1, 12});
  EXPECT_EQ(nodes_of(edit.model, graph::OpKind::kSequencePool).size(), 1u);
}

TEST(ImportDecoders, RefuseOtherRowsOfAToken) {
  EditableModel first(kBart);
  first.set_integers("place", {0});
  first.maker("/m/Gather_1_output_0").inputs[1] = "place";
  expect_refused(first.model, "(Gather): ");
  // Ids that the batches lack might be found too.
  EditableModel others(kBart);
  others.maker("/m/Equal_output_0").op_type = "GreaterOrEqual";
  expect_refused(others.model, "(GatherND): ");
  // All rows of the token are read as the answer.
  EditableModel all(kBart);
  all.answer("/m/GatherND_output_0");
  expect_refused(all.model, "m.onnx: ");
}

TEST(ImportDecoders, RefuseBucketsBeforeAQueryWithoutAMaskBehindIt) {
  EditableModel edit(kT5Classes);
  const auto scores = nodes_of(edit.model, graph::OpKind::kAttentionScores);
  ASSERT_EQ(scores.size(), 5u);
  int causal = 0;
  for (const graph::Node& node : scores) {
    causal += node.attribute<graph::AttentionAttributes>().right == 0 ? 1 : 0;
  }
  EXPECT_EQ(causal, 2);
  // The encoder's mask instead of the decoder's.
  const std::string where = "/m/transformer/decoder/block.0/layer.0/SelfAttention/Where_1_output_0";
  const std::string mask = "/m/transformer/decoder/Expand_output_0";
  edit.maker(where).inputs[0] = mask;
  expect_refused(edit.model, "(Softmax): a bias for keys before their query alone");
}

}  // namespace
}  // namespace tamis::onnx
