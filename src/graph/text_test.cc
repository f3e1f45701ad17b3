// The text form: what prints parses back to the same text, and bad texts name their line.
#include <gtest/gtest.h>

#include "base/error.h"
#include "graph/graph.h"

namespace tamis::graph {
namespace {

// Every op once, every attribute away from its default, a mark, an odd name.
constexpr std::string_view kText = R"(tamis graph 1
input %input_ids : I32[T]
input %token_type_ids : I32[T]
constant %word : F32[10, 8]
constant %gamma : F32[8]
constant %"odd name\n" : F32[8, 8]
constant %half : F32[]
%p = PositionIds(%input_ids) {rule=roberta, padding_idx=1} @embeddings : I32[T]
%g = Gather(%word, %p) @embeddings : F32[T, 8]
%e = EmbedLayerNormalization(%word, %input_ids, %gamma, %gamma, -, -, %word, %token_type_ids) {epsilon=1e-12} @embeddings : F32[T, 8]
%a = Add(%g, %e) : F32[T, 8]
%m = MatMul(%a, %"odd name\n", %gamma, %e) {activation=gelu_tanh} @layer.0.dense : F32[T, 8]
  quantizer 0 per_token_u8 on layer.0.dense._input_quantizer
  quantizer 1 per_channel_s8 off [-1.5, 1.5] layer.0.dense._weight_quantizer "other name"
%s = AttentionScores(%m, %m) {heads=2, scale=1} : F32[2, A]
%h = Mul(%s, %half) : F32[2, A]
%f = Softmax(%h) : F32[2, A]
%c = AttentionContext(%f, %m) {heads=2, scale=1} : F32[T, 8]
%t = Attention(%c, %m, %m) {heads=4, scale=0.70710677, arithmetic=bf16} : F32[T, 8]
%k = SkipLayerNormalization(%t, %m, %gamma, %gamma) {epsilon=1e-05} : F32[T, 8]
%l = LayerNormalization(%k, %gamma, %gamma) {epsilon=1e-05} : F32[T, 8]
%v = Activation(%l) {activation=tanh} : F32[T, 8]
%o = SequencePool(%v) {modes=cls+mean+max+mean_sqrt_len+weighted_mean+last_token} : F32[B, 48]
%z = SelectTokens(%v) : F32[S, 8]
output sentence_embedding = %o
output logits = %z
)";

std::shared_ptr<const Tensor> constant_for(void*, std::string_view name) {
  if (name == "word") return std::make_shared<Tensor>(DType::kF32, Shape{10, 8});
  if (name == "gamma") return std::make_shared<Tensor>(DType::kF32, Shape{8});
  if (name == "odd name\n") return std::make_shared<Tensor>(DType::kF32, Shape{8, 8});
  if (name == "q8") return std::make_shared<Tensor>(DType::kI8, Shape{8, 8});
  if (name == "outliers") return std::make_shared<Tensor>(DType::kF32, Shape{8, 2});
  if (name == "columns") {
    auto columns = std::make_shared<Tensor>(DType::kI32, Shape{2});
    columns->mutable_as<int32_t>()[1] = 7;
    return columns;
  }
  if (name == "half") return std::make_shared<Tensor>(DType::kF32, Shape{});
  return nullptr;
}

Graph parse(std::string_view text) { return parse_graph(text, "graph.txt", constant_for, nullptr); }

std::string refusal(std::string_view text) {
  try {
    (void)parse(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
    return error.what();
  }
  return "";
}

TEST(GraphText, RoundTrips) {
  const Graph graph = parse(kText);
  EXPECT_EQ(print(graph), kText);
  const Node& matmul = graph.nodes()[4];
  ASSERT_EQ(matmul.quantizers.size(), 2u);
  EXPECT_TRUE(matmul.quantizers[0].enabled);
  EXPECT_EQ(matmul.quantizers[1].names[1], "other name");
  EXPECT_EQ(matmul.quantizers[1].high, 1.5f);
}

std::string replaced(std::string_view from, std::string_view to) {
  std::string text(kText);
  text.replace(text.find(from), from.size(), to);
  return text;
}

TEST(GraphText, BadTextsNameTheLine) {
  const struct {
    std::string text;
    std::string message;
  } kCases[] = {
      {"", "graph.txt: empty; expected \"tamis graph 1\""},
      {"tamis graph 2\n", "graph.txt:1: expected \"tamis graph 1\" before \"tamis graph 2\""},
      {replaced("%word : F32[10, 8]", "%word : F32[11, 8]"),
       "graph.txt:4: tensor \"word\" is F32[10, 8], the graph needs F32[11, 8]"},
      {replaced("constant %half", "constant %none"), "graph.txt:7: there is no tensor \"none\""},
      {replaced("Gather", "Gatherer"), "graph.txt:9: unknown op \"Gatherer\""},
      {replaced("Gather(%word, %p)", "Gather(%word, %q)"),
       "graph.txt:9: \"q\" is used before it is defined"},
      {replaced("%a = Add", "%g = Add"), "graph.txt:11: \"g\" is defined twice"},
      {replaced("activation=gelu_tanh", "activation=gelo"),
       "graph.txt:12: cannot set activation to \"gelo\""},
      {replaced("heads=4", "heads=3"),
       "graph.txt:19: Attention at \"\": 3 heads do not divide 8 columns"},
      {replaced(": F32[B, 48]", ": F32[B, 8]"), "graph.txt:23: the op gives F32[B, 48]"},
      {replaced("[B, 48]", "[B, -1]"),
       "graph.txt:23: \"-1\" is not a size; a number, B, T, A or S is"},
      {replaced("per_token_u8 on", "per_token_u8 yes"),
       "graph.txt:13: \"yes\" is neither on nor off"},
      {replaced("on layer.0.dense._input_quantizer", "on layer?0"),
       "graph.txt:13: the name \"layer?0\" must be quoted"},
      {replaced("output logits = %z\n", "output logits = %z %z\n"),
       "graph.txt:26: something follows the end of the statement"},
  };
  for (const auto& test : kCases) EXPECT_EQ(refusal(test.text), test.message);
}

// A MatMul with all that quantization leaves on it.
constexpr std::string_view kQuantizedText = R"(tamis graph 1
input %x : F32[T, 8]
constant %gamma : F32[8]
constant %q8 : I8[8, 8]
constant %columns : I32[2]
constant %outliers : F32[8, 2]
%i = MatMul(%x, %q8, -, %x, %gamma, %gamma, %gamma, %columns, %outliers) {activation=none} @output : F32[T, 8]
  quantizer 0 static_s8 on [-2, 2] output._input_quantizer
%r = FakeQuantize(%i, %gamma, %gamma, %columns) {scheme=per_token_s8, groups=2, first_column=2, columns=4, low=-1, high=0.5} : F32[T, 8]
output logits = %r
)";

std::string quantized_refusal(std::string_view from, std::string_view to) {
  std::string text(kQuantizedText);
  text.replace(text.find(from), from.size(), to);
  return refusal(text);
}

TEST(GraphText, QuantizedMatMulRoundTrips) {
  EXPECT_EQ(print(parse(kQuantizedText)), kQuantizedText);
}

TEST(GraphText, QuantizedMatMulMustFit) {
  EXPECT_EQ(
      quantized_refusal("%x, %gamma, %gamma", "%x, -, %gamma"),
      "graph.txt:7: MatMul at \"output\": input 1 \"q8\" is I8[8, 8], expected F32, or I8 with "
      "a weight_scale");
  EXPECT_EQ(
      quantized_refusal("%q8, -", "%outliers, -"),
      "graph.txt:7: MatMul at \"output\": input 0 \"x\" is F32[T, 8], expected rows of 2 for a "
      "weight [8, 2]");
  EXPECT_EQ(quantized_refusal("%columns, %outliers)", "%columns)"),
            "graph.txt:7: MatMul at \"output\": outlier columns and their weight come together");
  EXPECT_EQ(quantized_refusal("%gamma, %gamma, %gamma, %columns", "%gamma, %q8, %gamma, %columns"),
            "graph.txt:7: MatMul at \"output\": input 5 \"q8\" is I8[8, 8], expected a constant "
            "F32[8]");
  EXPECT_EQ(
      quantized_refusal("static_s8 on", "static_s8 off"),
      "graph.txt: graph: MatMul at \"output\" has an integer weight but no quantizer that is on "
      "for its input");
  EXPECT_EQ(quantized_refusal("first_column=2, columns=4", "first_column=6, columns=4"),
            "graph.txt:9: FakeQuantize at \"\": columns 6 to 10 of 8");
}

TEST(GraphText, CutAnywhereIsAnErrorOrAGraph) {
  for (size_t length = 0; length < kText.size(); ++length) {
    const std::string message = refusal(kText.substr(0, length));
    // Only a cut that keeps a whole "output" line can stand.
    if (message.empty()) {
      EXPECT_GT(length, kText.find("output sentence"));
    }
  }
}

}  // namespace
}  // namespace tamis::graph
