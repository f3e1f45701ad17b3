// A pre-norm layer with rotary positions and a gated unit, in every arithmetic: what its values are
// kept in, that no batch or thread count changes a bit, and where its places come from.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "engines/cpu/quantized_rows.h"
#include "engines/cpu/session.h"
#include "engines/cpu/storage.h"
#include "engines/cpu/test_encoder.h"
#include "graph/testing/text_constants.h"
#include "kernels/reference/reference.h"

namespace tamis::engines::cpu {
namespace {

using graph::Operand;
using graph::OpKind;

const std::string kLayer = R"(tamis graph 2
input %input_ids : I32[T]
constant %table : F32[64, 32]
constant %gamma : F32[32]
constant %gamma2 : F32[32]
constant %qkv.weight : F32[96, 32]
constant %frequencies : F32[8]
constant %o.weight : F32[32, 32]
constant %gate_up : F32[80, 32]
constant %down : F32[32, 40]
%x = Gather(table=%table, ids=%input_ids) : F32[T, 32]
%n = RMSNormalization(x=%x, gamma=%gamma) {epsilon=1e-05} : F32[T, 32]
%qkv = MatMul(x=%n, weight=%qkv.weight) {activation=none} : F32[T, 96]
%r = Rotary(x=%qkv, frequencies=%frequencies) {heads=4, head_size=16} : F32[T, 96]
%c = Attention(q=%r) {heads=2, scale=0.25ARITHMETIC} : F32[T, 32]
%s = MatMul(x=%c, weight=%o.weight, residual=%x) {activation=none} : F32[T, 32]
%m = LayerNormalization(x=%s, gamma=%gamma2) {epsilon=1e-05} : F32[T, 32]
%gu = MatMul(x=%m, weight=%gate_up) {activation=none} : F32[T, 80]
%g = Glu(x=%gu) {activation=silu, gate_first=true} : F32[T, 40]
%y = MatMul(x=%g, weight=%down, residual=%s) {activation=none} : F32[T, 32]
%z = TokenNormalize(x=%y) : F32[T, 32]
output token_embeddings = %z
)";

graph::Graph parsed(const std::string& text) {
  graph::testing::TextConstants constants(text);
  return graph::parse_graph(text, "test", graph::testing::TextConstants::find, &constants);
}

graph::Graph layer(FloatArithmetic attention) {
  std::string text = kLayer;
  const std::string word = "ARITHMETIC";
  const char* named = attention == FloatArithmetic::kBf16 ? ", arithmetic=bf16" : "";
  return parsed(text.replace(text.find(word), word.size(), named));
}

void mark_matmuls(graph::Graph& graph) {
  int id = 0;
  for (graph::Node& node : graph.nodes()) {
    if (node.op != OpKind::kMatMul) continue;
    for (const Operand operand : {Operand::kX, Operand::kWeight}) {
      graph::Quantizer mark;
      mark.names = {"q" + std::to_string(id++)};
      mark.operand = operand;
      mark.scheme = operand == Operand::kX ? graph::QuantScheme::kPerTokenU8
                                           : graph::QuantScheme::kPerChannelS8;
      mark.enabled = true;
      node.quantizers.push_back(mark);
    }
  }
}

struct Variant {
  const char* name;
  FloatArithmetic linear;
  bool integers;
};
constexpr Variant kVariants[] = {{"fp32", FloatArithmetic::kF32, false},
                                 {"bf16", FloatArithmetic::kBf16, false},
                                 {"int8", FloatArithmetic::kF32, true}};

graph::Graph graph_of(const Variant& variant) {
  const bool halves = variant.integers || variant.linear == FloatArithmetic::kBf16;
  graph::Graph graph = layer(halves ? FloatArithmetic::kBf16 : FloatArithmetic::kF32);
  if (variant.integers) mark_matmuls(graph);
  return graph;
}

DType kept(const graph::Graph& graph, const std::vector<DType>& storage, std::string_view name) {
  return storage[static_cast<size_t>(graph.find_value(name))];
}

TEST(GatedLayer, KeepsFewBitsWhereTheyAreLostAnyway) {
  const graph::Graph floats = graph_of(kVariants[0]);
  for (const DType dtype : choose_storage(floats, FloatArithmetic::kF32)) {
    EXPECT_TRUE(dtype == DType::kF32 || dtype == DType::kI32);
  }
  for (const Variant& variant : {kVariants[1], kVariants[2]}) {
    SCOPED_TRACE(variant.name);
    const graph::Graph graph = graph_of(variant);
    const std::vector<DType> storage = choose_storage(graph, variant.linear);
    EXPECT_EQ(kept(graph, storage, "qkv"), DType::kF16);
    EXPECT_EQ(kept(graph, storage, "r"), DType::kBF16);
    EXPECT_EQ(kept(graph, storage, "gu"), variant.integers ? DType::kF16 : DType::kBF16);
    EXPECT_EQ(kept(graph, storage, "s"), DType::kF32);
  }
}

TEST(GatedLayer, NormsAndTheUnitMakeTheirOwnIntegers) {
  const graph::Graph graph = graph_of(kVariants[2]);
  const std::vector<QuantizedRows> copies = find_quantized_rows(graph, FloatArithmetic::kF32);
  ASSERT_EQ(copies.size(), 4u);
  for (const QuantizedRows& copy : copies) {
    const bool attention = graph.value(copy.x).name == "c";
    EXPECT_EQ(copy.by_producer, !attention) << graph.value(copy.x).name;
  }
}

// The unit stores nothing but integers, so that must be all that is read of it.
TEST(GatedLayer, AUnitThatIsReadAsFloatsIsStored) {
  graph::Graph graph = graph_of(kVariants[2]);
  const graph::ValueId unit = graph.find_value("g");
  graph.add_output("unit", unit);
  for (const QuantizedRows& copy : find_quantized_rows(graph, FloatArithmetic::kF32)) {
    EXPECT_FALSE(copy.x == unit && copy.by_producer);
  }
  // What is stored is the unit of what it reads, which is then kept in float32.
  graph.add_output("read", graph.find_value("gu"));
  const TestBatch batch({3, 5});
  ThreadPool pool(1);
  Outputs outputs;
  Session(Plan::make(graph), pool).run(batch.packed(), outputs);
  const auto read = outputs.get("read").as<float>();
  const auto made = outputs.get("unit").as<float>();
  ASSERT_EQ(made.size(), 8u * 40);
  for (size_t i = 0; i < made.size(); ++i) {
    const size_t at = i / 40 * 80 + i % 40;
    const double gate = kernels::reference::activate(Activation::kSilu, double{read[at]});
    const double wanted = gate * read[at + 40];
    EXPECT_NEAR(made[i], wanted, 8 * 0x1p-24 * (1 + std::fabs(wanted))) << i;
  }
}

TEST(GatedLayer, AnyThreadCountAndBatchGivesTheSameBits) {
  const TestBatch batch({5, 1, 33, 600, 20});
  for (const Variant& variant : kVariants) {
    const graph::Graph graph = graph_of(variant);
    for (const Isa isa : all_isas()) {
      if (!detected_isas().has(isa)) continue;
      SCOPED_TRACE(::testing::Message() << variant.name << " " << isa_name(isa));
      PlanOptions options;
      options.isas = isas_up_to(isa_name(isa));
      options.linear = variant.linear;
      const std::vector<float> one = run(graph, options, batch.packed(), 1);
      EXPECT_EQ(run(graph, options, batch.packed(), 3), one);
      size_t at = 0;
      for (size_t s = 0; s + 1 < batch.cu_seqlens.size(); ++s) {
        const std::vector<float> alone = run(graph, options, batch.only(s).packed(), 2);
        EXPECT_EQ(std::memcmp(alone.data(), one.data() + at, alone.size() * sizeof(float)), 0);
        at += alone.size();
      }
    }
  }
}

// Rows have length 1. Inputs in 8 bits over a range of five deviations and weights in 8 bits err by
// 0.6 % and 0.4 % of them, bf16 by less: over four products in a row 1.4 % of a row's length, and
// where residuals cancel several times that.
TEST(GatedLayer, FewBitsStayNearFloats) {
  const TestBatch batch({5, 1, 33, 20});
  const std::vector<float> truth = run(graph_of(kVariants[0]), {}, batch.packed(), 1);
  for (const Variant& variant : {kVariants[1], kVariants[2]}) {
    PlanOptions options;
    options.linear = variant.linear;
    const std::vector<float> values = run(graph_of(variant), options, batch.packed(), 1);
    double worst = 0;
    for (size_t row = 0; row < truth.size(); row += 32) {
      double squares = 0;
      for (size_t i = row; i < row + 32; ++i) {
        squares += (double{values[i]} - truth[i]) * (double{values[i]} - truth[i]);
      }
      worst = std::max(worst, std::sqrt(squares));
    }
    EXPECT_LT(worst, 5 * 0.014) << variant.name;
    EXPECT_GT(worst, 0) << variant.name;
  }
}

const std::string kRotary = R"(tamis graph 2
input %input_ids : I32[T]
constant %table : F32[64, 20]
constant %frequencies : F32[3]
%x = Gather(table=%table, ids=%input_ids) : F32[T, 20]
%y = Rotary(x=%x, frequencies=%frequencies) {heads=2, head_size=8} : F32[T, 20]
output token_embeddings = %y
)";

// Row `token` of kRotary's output at a place, by the reference.
std::vector<float> turned(const graph::Graph& graph, int32_t id, int64_t place) {
  const auto table = graph.value(graph.find_value("table")).constant->as<float>();
  const auto frequencies = graph.value(graph.find_value("frequencies")).constant->as<float>();
  float cosine[3];
  float sine[3];
  kernels::reference::rotary_table({place, 1, 3, false, frequencies.data(), 1.0f, cosine, sine});
  std::vector<float> y(20);
  kernels::RotaryArgs args;
  args.rows = 1;
  args.width = args.ldx = args.ldy = 20;
  args.heads = 2;
  args.head_size = 8;
  args.pairs = args.ld_angles = 3;
  args.cosine = cosine;
  args.sine = sine;
  args.x = table.data() + static_cast<ptrdiff_t>(id) * 20;
  args.y = y.data();
  kernels::reference::rotary(args);
  return y;
}

void expect_places(const graph::Graph& graph, const engine::PackedBatch& batch,
                   const std::vector<int64_t>& places) {
  const std::vector<float> values = run(graph, {}, batch, 2);
  ASSERT_EQ(values.size(), places.size() * 20);
  for (size_t t = 0; t < places.size(); ++t) {
    const std::vector<float> wanted = turned(graph, batch.input_ids[t], places[t]);
    // Two products of values below 1 and their sum.
    for (size_t j = 0; j < 20; ++j) ASSERT_NEAR(values[t * 20 + j], wanted[j], 3 * 0x1p-24) << t;
  }
}

TEST(Rotary, PlacesCountFromEachSequencesStart) {
  const graph::Graph graph = parsed(kRotary);
  const TestBatch batch({3, 0, 1100, 1, 40});  // over two pieces of the table
  std::vector<int64_t> places;
  for (size_t s = 0; s + 1 < batch.cu_seqlens.size(); ++s) {
    for (int64_t p = 0; p < batch.cu_seqlens[s + 1] - batch.cu_seqlens[s]; ++p) places.push_back(p);
  }
  expect_places(graph, batch.packed(), places);
}

TEST(Rotary, GivenPositionsWin) {
  const graph::Graph graph = parsed(kRotary);
  const TestBatch batch({3, 4});
  const std::vector<int32_t> positions = {5, 6, 1030, 0, 0, 2, 1};
  engine::PackedBatch packed = batch.packed();
  packed.position_ids = positions;
  expect_places(graph, packed, {positions.begin(), positions.end()});
}

TEST(Rotary, PlacesBeyondTheTableAreRefused) {
  const graph::Graph graph = parsed(kRotary);
  const TestBatch batch({2});
  for (const int32_t place : {-1, 1 << 20}) {
    const std::vector<int32_t> positions = {0, place};
    engine::PackedBatch packed = batch.packed();
    packed.position_ids = positions;
    EXPECT_THROW((void)run(graph, {}, packed, 1), Error) << place;
  }
}

// Room is made for what a sequence may have, not for what a batch says it has.
TEST(Rotary, ALongestThatNoSequenceHasChangesNothing) {
  const graph::Graph graph = parsed(kRotary);
  const TestBatch batch({3, 4});
  engine::PackedBatch packed = batch.packed();
  packed.max_seqlen = std::numeric_limits<int32_t>::max();
  expect_places(graph, packed, {0, 1, 2, 0, 1, 2, 3});
}

// Sparse heads: one row a sequence, whatever block or share of a team it is in.
TEST(VocabularyPool, IsTheLogOfEachSequencesGreatest) {
  const graph::Graph graph = parsed(R"(tamis graph 2
input %input_ids : I32[T]
constant %table : F32[64, 20]
%x = Gather(table=%table, ids=%input_ids) : F32[T, 20]
%y = VocabularyPool(x=%x) : F32[B, 20]
output sentence_embedding = %y
)");
  const auto table = graph.value(graph.find_value("table")).constant->as<float>();
  const TestBatch batch({3, 1, 300, 7});
  const std::vector<float> values = run(graph, {}, batch.packed(), 2);
  ASSERT_EQ(values.size(), 4u * 20);
  for (size_t s = 0; s < 4; ++s) {
    for (size_t j = 0; j < 20; ++j) {
      float most = 0;
      for (int32_t t = batch.cu_seqlens[s]; t < batch.cu_seqlens[s + 1]; ++t) {
        most =
            std::max(most, table[static_cast<size_t>(batch.ids[static_cast<size_t>(t)]) * 20 + j]);
      }
      EXPECT_NEAR(values[s * 20 + j], std::log1p(double{most}), 2 * 0x1p-24) << s << " " << j;
    }
  }
}

}  // namespace
}  // namespace tamis::engines::cpu
