// The text form: what prints parses back to the same text, and bad texts name their line.
#include <gtest/gtest.h>

#include "base/error.h"
#include "graph/graph.h"

namespace tamis::graph {
namespace {

// Every op once, every attribute away from its default, a mark, an odd name.
constexpr std::string_view kText = R"(tamis graph 2
input %input_ids : I32[T]
input %token_type_ids : I32[T]
constant %word : F32[10, 8]
constant %gamma : F32[8]
constant %"odd name\n" : F32[8, 8]
constant %half : F32[]
constant %positions : F32[8, 8]
constant %slopes : F32[2]
constant %buckets : F32[8, 2]
constant %two : F32[2, 2]
%p = PositionIds(ids=%input_ids) {rule=roberta, padding_idx=1} @embeddings : I32[T]
%g = Gather(table=%word, ids=%p) @embeddings : F32[T, 8]
%e = EmbedLayerNormalization(table=%word, ids=%input_ids, gamma=%gamma, beta=%gamma, type=%word, type_ids=%token_type_ids) {epsilon=1e-12} @embeddings : F32[T, 8]
%a = Add(x=%g, y=%e) : F32[T, 8]
%m = MatMul(x=%a, weight=%"odd name\n", bias=%gamma, residual=%e) {activation=gelu_tanh} @layer.0.dense : F32[T, 8]
  quantizer x per_token_u8 on layer.0.dense._input_quantizer
  quantizer weight per_channel_s8 off [-1.5, 1.5] layer.0.dense._weight_quantizer "other name"
%s = AttentionScores(q=%m, k=%m) {heads=2, scale=1} : F32[2, A]
%h = Mul(x=%s, y=%half) : F32[2, A]
%f = Softmax(scores=%h) : F32[2, A]
%c = AttentionContext(probabilities=%f, v=%m) {heads=2, scale=1} : F32[T, 8]
%t = Attention(q=%c, k=%m, v=%m, position_keys=%positions, position_queries=%positions) {heads=4, scale=0.70710677, arithmetic=bf16, left=2, right=0, position_buckets=4, max_relative_positions=4} : F32[T, 8]
  quantizer probabilities static_u8 off t.probabilities
%ta = Attention(q=%t, bias=%slopes) {heads=2, scale=1, kv_heads=1, bias=alibi, max_distance=16} : F32[T, 4]
%tb = Attention(q=%t, k=%t, v=%t, bias=%buckets) {heads=2, scale=1, bias=t5, max_distance=8} : F32[T, 8]
%ro = Rotary(x=%tb, frequencies=%slopes) {heads=2, head_size=4, interleaved=true, scale=0.5} : F32[T, 8]
%rm = RMSNormalization(x=%ro, gamma=%slopes) {epsilon=1e-05, heads=4} : F32[T, 8]
%gl = Glu(x=%rm) {activation=gelu, gate_first=false} : F32[T, 4]
%tn = TokenNormalize(x=%gl) : F32[T, 4]
%k = SkipLayerNormalization(x=%t, skip=%m, gamma=%gamma) {epsilon=1e-05} : F32[T, 8]
%l = LayerNormalization(x=%k, gamma=%gamma, beta=%gamma) {epsilon=1e-05} : F32[T, 8]
%v = Activation(x=%l) {activation=tanh} : F32[T, 8]
%o = SequencePool(x=%v) {modes=cls+mean+max+mean_sqrt_len+weighted_mean+last_token} : F32[B, 48]
%z = SelectTokens(x=%v) : F32[S, 8]
%vp = VocabularyPool(x=%tn) : F32[B, 4]
%rl = Rotary(x=%tb, frequencies=%two) {heads=2, head_size=4, long_from=8} : F32[T, 8]
%sh = ShiftIds(ids=%input_ids) {first=2} @decoder : I32[T]
%sw = Gather(table=%word, ids=%sh) @decoder : F32[T, 8]
%lt = SequencePool(x=%sw, ids=%input_ids) {modes=last_token, token=2} : F32[B, 8]
%td = TokenDropout(x=%ro, ids=%input_ids) {mask_token=3, kept=0.88} : F32[T, 8]
%tg = Attention(q=%t, k=%t, v=%t, ids=%input_ids) {heads=2, scale=1, left=2, right=2, global=before_separator, separator=2} : F32[T, 8]
%mg = MergeGlobal(x=%tg, y=%t, ids=%input_ids) {rule=behind_separator, separator=2} : F32[T, 8]
output sentence_embedding = %o
output logits = %z
output sparse = %vp
output turned = %rl
output last = %lt
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
  if (name == "positions") return std::make_shared<Tensor>(DType::kF32, Shape{8, 8});
  if (name == "slopes") return std::make_shared<Tensor>(DType::kF32, Shape{2});
  if (name == "buckets") return std::make_shared<Tensor>(DType::kF32, Shape{8, 2});
  if (name == "two") return std::make_shared<Tensor>(DType::kF32, Shape{2, 2});
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
      {"", "graph.txt: empty; expected \"tamis graph 2\""},
      {"tamis graph 3\n", "graph.txt:1: unknown graph version; this program reads versions 1 to 2"},
      {replaced("%word : F32[10, 8]", "%word : F32[11, 8]"),
       "graph.txt:4: tensor \"word\" is F32[10, 8], the graph needs F32[11, 8]"},
      {replaced("constant %half", "constant %none"), "graph.txt:7: there is no tensor \"none\""},
      {replaced("Gather", "Gatherer"), "graph.txt:13: unknown op \"Gatherer\""},
      {replaced("Gather(table=%word, ids=%p)", "Gather(table=%word, ids=%q)"),
       "graph.txt:13: \"q\" is used before it is defined"},
      {replaced("%a = Add", "%g = Add"), "graph.txt:15: \"g\" is defined twice"},
      {replaced("activation=gelu_tanh", "activation=gelo"),
       "graph.txt:16: cannot set activation to \"gelo\""},
      {replaced("heads=4", "heads=3"),
       "graph.txt:23: Attention at \"\": 3 heads do not divide 8 columns"},
      {replaced(": F32[B, 48]", ": F32[B, 8]"), "graph.txt:34: the op gives F32[B, 48]"},
      {replaced("[B, 48]", "[B, -1]"),
       "graph.txt:34: \"-1\" is not a size; a number, B, T, A or S is"},
      {replaced("per_token_u8 on", "per_token_u8 yes"),
       "graph.txt:17: \"yes\" is neither on nor off"},
      {replaced("on layer.0.dense._input_quantizer", "on layer?0"),
       "graph.txt:17: the name \"layer?0\" must be quoted"},
      {replaced("output logits = %z\n", "output logits = %z %z\n"),
       "graph.txt:45: something follows the end of the statement"},
      {replaced("long_from=8", "long_from=0"),
       "graph.txt:37: Rotary at \"\": frequencies \"two\" is F32[2, 2], expected a constant "
       "F32[r / 2], r <= 4"},
      {replaced("ShiftIds(ids=%input_ids) {first=2}", "ShiftIds(ids=%token_type_ids) {first=2}"),
       "graph.txt:38: ShiftIds at \"decoder\": ids \"token_type_ids\" is I32[T], expected "
       "input_ids"},
      {replaced("{first=2}", ""),
       "graph.txt:38: ShiftIds at \"decoder\": neither first nor padding_idx"},
      {replaced("token=2", "token=2, padding_idx=1"),
       "graph.txt:40: SequencePool at \"\": ids and one of padding_idx and token come together"},
  };
  for (const auto& test : kCases) EXPECT_EQ(refusal(test.text), test.message);
}

// A plan makes tables of these distances, so they must mean something and end.
TEST(GraphText, DistancesHaveLimits) {
  const std::string positions = "position_buckets=4, max_relative_positions=4";
  const auto wanted = [](std::string_view buckets, std::string_view most) {
    return cat("graph.txt:23: Attention at \"\": position_buckets ", buckets,
               " of max_relative_positions ", most,
               "; expected 2i, i >= 2 and i < max_relative_positions - 1 <= 1048575");
  };
  for (const auto& [buckets, most] :
       {std::pair{"2", "4"}, {"5", "9"}, {"4", "3"}, {"-4", "4"}, {"4", "1048577"}, {"4", "-1"}}) {
    const std::string text = cat("position_buckets=", buckets, ", max_relative_positions=", most);
    EXPECT_EQ(refusal(replaced(positions, text)), wanted(buckets, most));
  }
  EXPECT_EQ(refusal(replaced(positions, "position_buckets=4, max_relative_positions=1048576")), "");
  for (const std::string_view distance : {"0", "-3", "1048577", "9000000000000000000"}) {
    EXPECT_EQ(
        refusal(replaced("max_distance=16", cat("max_distance=", distance))),
        cat("graph.txt:25: Attention at \"\": a bias needs a max_distance of 1 to 1048576, not ",
            distance));
  }
}

// A MatMul with all that quantization leaves on it.
constexpr std::string_view kQuantizedText = R"(tamis graph 2
input %x : F32[T, 8]
constant %gamma : F32[8]
constant %q8 : I8[8, 8]
constant %columns : I32[2]
constant %outliers : F32[8, 2]
%i = QuantizedMatMul(x=%x, weight=%q8, residual=%x, weight_scale=%gamma, input_multiplier=%gamma, input_offset=%gamma, outlier_columns=%columns, outlier_weight=%outliers) {activation=none} @output : F32[T, 8]
  quantizer x static_s8 on [-2, 2] output._input_quantizer
%r = FakeQuantize(x=%i, input_multiplier=%gamma, input_offset=%gamma, outlier_columns=%columns) {scheme=per_token_s8, groups=2, first_column=2, columns=4, low=-1, high=0.5} : F32[T, 8]
output logits = %r
)";

// The same as version 1 wrote it: operands by their places, numbers on marks.
constexpr std::string_view kFirstVersion = R"(tamis graph 1
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

TEST(GraphText, ReadsTheFirstVersion) {
  EXPECT_EQ(print(parse(kFirstVersion)), kQuantizedText);
  const std::string marked = R"(tamis graph 1
input %x : F32[T, 24]
%t = Attention(%x) {heads=2, scale=1} : F32[T, 8]
  quantizer 1 static_u8 off t.k
  quantizer 3 static_u8 off t.probabilities
output logits = %t
)";
  const Graph graph = parse(marked);
  EXPECT_NE(graph.nodes()[0].mark(Operand::kK), nullptr);
  EXPECT_NE(graph.nodes()[0].mark(Operand::kProbabilities), nullptr);
}

TEST(GraphText, QuantizedMatMulMustFit) {
  EXPECT_EQ(quantized_refusal(" weight_scale=%gamma,", ""),
            "graph.txt:7: QuantizedMatMul at \"output\": operand weight_scale is missing");
  EXPECT_EQ(quantized_refusal("weight=%q8", "weight=%q8, weight=%q8"),
            "graph.txt:7: operand \"weight\" is given twice");
  EXPECT_EQ(quantized_refusal("residual=%x", "skip=%x"),
            "graph.txt:7: QuantizedMatMul has no operand \"skip\"");
  EXPECT_EQ(quantized_refusal("QuantizedMatMul(x=%x, weight=%q8, residual=%x, weight_scale=%gamma, "
                              "input_multiplier=%gamma, input_offset=%gamma, "
                              "outlier_columns=%columns, outlier_weight=%outliers)",
                              "MatMul(x=%x, weight=%q8)"),
            "graph.txt:7: MatMul at \"output\": weight \"q8\" is I8[8, 8], expected F32, F16 or "
            "BF16; integers "
            "belong to QuantizedMatMul");
  EXPECT_EQ(
      quantized_refusal("weight=%q8", "weight=%outliers"),
      "graph.txt:7: QuantizedMatMul at \"output\": weight \"outliers\" is F32[8, 2], expected I8");
  EXPECT_EQ(
      quantized_refusal(", outlier_weight=%outliers", ""),
      "graph.txt:7: QuantizedMatMul at \"output\": outlier columns and their weight come together");
  EXPECT_EQ(
      quantized_refusal("input_multiplier=%gamma", "input_multiplier=%q8"),
      "graph.txt:7: QuantizedMatMul at \"output\": input_multiplier \"q8\" is I8[8, 8], expected a "
      "constant F32[8]");
  EXPECT_EQ(quantized_refusal("static_s8 on", "static_s8 off"),
            "graph.txt: graph: QuantizedMatMul at \"output\" has an integer weight but no "
            "quantizer that is on "
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
