#include "quant/marks.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "passes/pipeline.h"
#include "quant/test_util.h"

namespace tamis::quant {
namespace {

std::string listed(const graph::Graph& graph) {
  std::string text;
  for (const QuantizerInfo& info : list_quantizers(graph)) {
    text += cat(info.name, info.enabled ? " on " : " off ", graph::scheme_name(info.scheme), "\n");
  }
  return text;
}

std::string refusal(graph::Graph& graph, const std::vector<std::string>& enable) {
  try {
    apply_globs(graph, enable, {});
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "";
}

// Scores with tables of positions are no product of integers, and half an attention is not whole.
TEST(Marks, WholeAttentionIsOnWithoutTablesOfPositions) {
  for (const bool tables : {false, true}) {
    graph::Graph graph = tables ? layer_with_position_products() : graph_of(bert_layer_text());
    add_marks(graph, Scheme::kStatic);
    enable_whole_attention(graph);
    int on = 0;
    for (const QuantizerInfo& info : list_quantizers(graph)) {
      const bool attention = info.name.find(".matmul_quantizer_") != info.name.npos;
      EXPECT_FALSE(info.name.find(".layernorm_quantizer_") != info.name.npos && info.enabled);
      on += attention && info.enabled;
    }
    EXPECT_EQ(on, tables ? 0 : 4);
  }
}

TEST(Marks, StandOnLinearsAttentionAndResidualSums) {
  graph::Graph graph = graph_of(bert_layer_text());
  add_marks(graph);
  graph::verify(graph);
  EXPECT_EQ(listed(graph), R"(m.0.self.query._input_quantizer on per_token_u8
m.0.self.query._weight_quantizer on per_channel_s8
m.0.self.key._input_quantizer on per_token_u8
m.0.self.key._weight_quantizer on per_channel_s8
m.0.self.value._input_quantizer on per_token_u8
m.0.self.value._weight_quantizer on per_channel_s8
m.0.self.matmul_quantizer_0 off per_token_u8
m.0.self.matmul_quantizer_1 off per_token_u8
m.0.self.matmul_quantizer_2 off per_token_u8
m.0.self.matmul_quantizer_3 off per_token_u8
m.0.output.dense._input_quantizer on per_token_u8
m.0.output.dense._weight_quantizer on per_channel_s8
m.0.output.layernorm_quantizer_0 off per_token_u8
m.0.output.layernorm_quantizer_1 off per_token_u8
m.0.ffn._input_quantizer on per_token_u8
m.0.ffn._weight_quantizer on per_channel_s8
m.0.ffn_output._input_quantizer on per_token_u8
m.0.ffn_output._weight_quantizer on per_channel_s8
m.0.layernorm_quantizer_0 off per_token_u8
m.0.layernorm_quantizer_1 off per_token_u8
m.pooler.dense._input_quantizer off per_token_u8
m.pooler.dense._weight_quantizer off per_channel_s8
classifier._input_quantizer off per_token_u8
classifier._weight_quantizer off per_channel_s8
)");
}

// Every token meets the whole vocabulary there; a layer before it is one of a head.
TEST(Marks, OfASparseHeadsVocabularyAreOn) {
  graph::Graph graph = graph_of(R"(tamis graph 2
input %input_ids : I32[T]
constant %table : F32[64, 8]
constant %dense : F32[8, 8]
constant %bias : F32[64]
%x = Gather(table=%table, ids=%input_ids) @embeddings : F32[T, 8]
%d = MatMul(x=%x, weight=%dense) {activation=none} @cls.dense : F32[T, 8]
%w = MatMul(x=%d, weight=%table) {activation=none} @cls.decoder : F32[T, 64]
%l = Add(x=%w, y=%bias) @cls.decoder : F32[T, 64]
%p = VocabularyPool(x=%l) @pooling : F32[B, 64]
output sparse_embedding = %p
)");
  add_marks(graph);
  EXPECT_EQ(listed(graph), R"(cls.dense._input_quantizer off per_token_u8
cls.dense._weight_quantizer off per_channel_s8
cls.decoder._input_quantizer on per_token_u8
cls.decoder._weight_quantizer on per_channel_s8
)");
}

TEST(Marks, FollowTheScheme) {
  graph::Graph graph = graph_of(bert_layer_text());
  add_marks(graph, Scheme::kStatic);
  EXPECT_EQ(list_quantizers(graph)[0].scheme, graph::QuantScheme::kStaticS8);
  EXPECT_EQ(list_quantizers(graph)[1].scheme, graph::QuantScheme::kPerChannelS8);
  add_marks(graph, Scheme::kOrt);
  EXPECT_EQ(list_quantizers(graph)[0].scheme, graph::QuantScheme::kStaticU8);
  EXPECT_EQ(list_quantizers(graph).size(), 24u);
}

// A module that runs twice has one set of quantizers: the second layer reads the same parameters.
TEST(Marks, AreSharedByLayersThatShareParameters) {
  std::string text = bert_layer_text();
  const size_t begin = text.find("%q1 = ");
  const size_t end = text.find("%r = ");
  std::string again;
  std::istringstream lines(text.substr(begin, end - begin));
  std::string line;
  while (std::getline(lines, line)) {
    for (size_t at = 0; (at = line.find('%', at)) != std::string::npos; ++at) {
      const size_t stop = line.find_first_of(" ,)", at);
      const std::string name = line.substr(at + 1, stop - at - 1);
      if (name == "x") {
        line.replace(at + 1, 1, "y");
      } else if (text.find("constant %" + name + " ") == std::string::npos) {
        line.insert(stop, "_again");
      }
    }
    again += line + "\n";
  }
  text.insert(end, again);
  text.replace(text.find("SequencePool(%y)") + 13, 2, "%y_again");
  graph::Graph once = graph_of(bert_layer_text());
  graph::Graph twice = graph_of(text);
  add_marks(once);
  add_marks(twice);
  EXPECT_EQ(listed(twice), listed(once));
  const std::vector<std::string> names = {"*.self.query._input_quantizer"};
  apply_globs(twice, {}, names);
  int off = 0;
  for (const graph::Node& node : twice.nodes()) {
    const bool query = node.op == graph::OpKind::kMatMul && node.scope == "m.0.self.query";
    if (query && !node.quantizers[0].enabled) ++off;
  }
  EXPECT_EQ(off, 2);
}

TEST(Globs, SwitchByName) {
  graph::Graph graph = graph_of(bert_layer_text());
  add_marks(graph);
  apply_globs(graph, std::vector<std::string>{"*matmul_quantizer_[01]", "classifier.*"},
              std::vector<std::string>{"0.ffn._*_quantizer", "*.matmul_quantizer_1"});
  std::string on;
  for (const QuantizerInfo& info : list_quantizers(graph)) {
    const bool watched = info.name.find("matmul") != std::string::npos ||
                         info.name.find("classifier") != std::string::npos ||
                         info.name.find(".ffn.") != std::string::npos;
    if (watched && info.enabled) on += info.name + " ";
  }
  EXPECT_EQ(
      on, "m.0.self.matmul_quantizer_0 classifier._input_quantizer classifier._weight_quantizer ");
}

TEST(Globs, SwitchMergedOperandsTogether) {
  graph::Graph graph = graph_of(bert_layer_text());
  add_marks(graph);
  passes::run_pipeline(graph);
  apply_globs(graph, {}, std::vector<std::string>{"m.0.self.key._input_quantizer"});
  int off = 0;
  for (const QuantizerInfo& info : list_quantizers(graph)) {
    off += info.name.ends_with("y._input_quantizer") && !info.enabled ? 1 : 0;
  }
  EXPECT_EQ(off, 2) << "query and key";
}

TEST(Globs, ThatMatchNothingAreRefusedWithNearNames) {
  graph::Graph graph = graph_of(bert_layer_text());
  EXPECT_EQ(refusal(graph, {"*"}),
            "quantizers: \"*\" matches nothing; the graph has no quantizers");
  add_marks(graph);
  EXPECT_EQ(refusal(graph, {"m.0.self.matmul_quantiser_0"}),
            "quantizers: \"m.0.self.matmul_quantiser_0\" matches nothing; near names are "
            "m.0.self.matmul_quantizer_0, m.0.self.matmul_quantizer_1, "
            "m.0.self.matmul_quantizer_2");
}

}  // namespace
}  // namespace tamis::quant
