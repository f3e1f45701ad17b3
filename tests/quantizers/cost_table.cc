// Not a test: measures what operations cost on this machine and prints src/quant/cost.inc.
//
// usage: cost_table > src/quant/cost.inc, on a machine that does nothing else.
#include <algorithm>
#include <cstdio>
#include <limits>
#include <random>

#include "base/clock.h"
#include "base/error.h"
#include "engine/engine.h"
#include "quant/cost.h"
#include "quant/plain_plan.h"
#include "tensor/widened.h"

namespace tamis {
namespace {

using graph::Graph;
using graph::OpKind;
using quant::CostOp;

constexpr int64_t kTokens = 128;
constexpr int64_t kMostOutliers = 8;

std::shared_ptr<const Tensor> random_tensor(const Shape& shape) {
  std::mt19937 engine(3);
  Tensor tensor(DType::kF32, shape);
  for (float& value : tensor.mutable_as<float>()) {
    value = static_cast<float>(engine() >> 8) * 0x1p-24f - 0.5f;
  }
  return std::make_shared<const Tensor>(std::move(tensor));
}

graph::ValueId add_rows(Graph& graph, const char* name, int64_t columns) {
  return graph.add_input(
      name, DType::kF32,
      graph::SymbolicShape({graph::Dim::of(graph::Symbol::kTokens), graph::Dim::of(columns)}));
}

/// A node by itself, between float inputs and an output.
Graph matmul_graph(int64_t n, int64_t k, bool integers, int64_t outliers) {
  Graph graph;
  graph.add_input(graph::kInputIds, DType::kI32,
                  graph::SymbolicShape({graph::Dim::of(graph::Symbol::kTokens)}));
  const graph::ValueId x = add_rows(graph, "x", k);
  const graph::ValueId w = graph.add_constant("w", random_tensor({n, k}));
  const graph::ValueId b = graph.add_constant("b", random_tensor({n}));
  const graph::ValueId y =
      graph.add_node(OpKind::kMatMul, {x, w, b}, graph::MatMulAttributes{}, "m", "y");
  graph.add_output("y", y);
  if (!integers) return graph;
  graph.nodes()[0].quantizers = {
      {0, graph::QuantScheme::kPerTokenU8, true, {}, {}, {"m._input_quantizer"}},
      {1, graph::QuantScheme::kPerChannelS8, true, {}, {}, {"m._weight_quantizer"}}};
  quant::TreatedLinear treated;
  treated.weight = quant::round_to_nearest(widened(graph.value(w).constant)->as<float>(), n);
  treated.multiplier.assign(static_cast<size_t>(k), 0.5f);
  treated.offset.assign(static_cast<size_t>(k), 0.01f);
  for (int64_t j = 0; j < outliers; ++j) {
    treated.outlier_columns.push_back(static_cast<int32_t>(7 * j));
    treated.multiplier[static_cast<size_t>(7 * j)] = treated.offset[static_cast<size_t>(7 * j)] = 0;
  }
  treated.outlier_weight.assign(static_cast<size_t>(n * outliers), 0.25f);
  quant::apply_treatment(graph, {0}, treated);
  return graph;
}

Graph attention_graph(int64_t width, graph::FloatArithmetic arithmetic) {
  Graph graph;
  graph.add_input(graph::kInputIds, DType::kI32,
                  graph::SymbolicShape({graph::Dim::of(graph::Symbol::kTokens)}));
  const graph::ValueId x = add_rows(graph, "x", 3 * width);
  graph::AttentionAttributes attributes;
  const int64_t head = width % 64 == 0 && width >= 768 ? 64 : 32;
  attributes.heads = width / head;
  attributes.scale = 0.125f;
  attributes.arithmetic = arithmetic;
  graph.add_output("y", graph.add_node(OpKind::kAttention, {x}, attributes, "m", "y"));
  return graph;
}

Graph layer_norm_graph(int64_t width) {
  Graph graph;
  graph.add_input(graph::kInputIds, DType::kI32,
                  graph::SymbolicShape({graph::Dim::of(graph::Symbol::kTokens)}));
  const graph::ValueId x = add_rows(graph, "x", width);
  const graph::ValueId gamma = graph.add_constant("gamma", random_tensor({width}));
  const graph::ValueId beta = graph.add_constant("beta", random_tensor({width}));
  graph.add_output("y", graph.add_node(OpKind::kSkipLayerNormalization, {x, x, gamma, beta},
                                       graph::LayerNormAttributes{1e-12f}, "m", "y"));
  return graph;
}

// The least of many runs, a token.
double ns_a_token(const Graph& graph, IsaSet isas, bool bf16) {
  engine::EngineOptions options;
  options.isas = isas;
  if (bf16) options.precision = engine::Precision::kBf16;
  const auto session = engine::make_engine(graph, options)->make_session();
  const std::vector<int32_t> ids(kTokens, 1);
  const std::vector<int32_t> cu_seqlens = {0, kTokens};
  const std::shared_ptr<const Tensor> rows = random_tensor({kTokens, 3 * 4096});
  const engine::FloatInput inputs[] = {{"x", rows->as<float>().data()}};
  engine::PackedBatch batch{ids, {}, {}, cu_seqlens, {}, kTokens, inputs};
  engine::Outputs outputs;
  int64_t least = std::numeric_limits<int64_t>::max();
  const Clock& clock = Clock::steady();
  const int64_t start = clock.now_ns();
  for (int i = 0; i < 200 && (i < 5 || clock.now_ns() - start < 150'000'000); ++i) {
    const int64_t from = clock.now_ns();
    session->run(batch, outputs);
    least = std::min(least, clock.now_ns() - from);
  }
  return static_cast<double>(least) / kTokens;
}

void print_row(const char* isa, const char* op, int64_t n, int64_t k, double ns) {
  std::printf("TAMIS_COST(%s, %s, %lld, %lld, %.4g)\n", isa, op, static_cast<long long>(n),
              static_cast<long long>(k), ns);
  std::fflush(stdout);
}

struct Size {
  int64_t n;
  int64_t k;
};
constexpr Size kSizes[] = {{128, 128},  {512, 128},   {128, 512},   {384, 384},   {1152, 384},
                           {1536, 384}, {384, 1536},  {768, 768},   {2304, 768},  {3072, 768},
                           {768, 3072}, {1024, 1024}, {3072, 1024}, {4096, 1024}, {1024, 4096}};
constexpr int64_t kWidths[] = {128, 384, 768, 1024};

/// Rows are measured where the set brings a kernel of its own.
struct Set {
  const char* flag;
  const char* isa;
  bool f32;
  bool s8;
  bool bf16;
};
constexpr Set kSets[] = {{"avx2", "Avx2", true, true, false},
                         {"avx512", "Avx512", true, true, false},
                         {"avx512_vnni", "Avx512Vnni", false, true, false},
                         {"avx512_bf16", "Avx512Bf16", false, false, true}};

void print_set(const Set& set) {
  const IsaSet isas = isas_up_to(set.flag);
  for (const Size& size : kSizes) {
    const auto cost = [&](bool integers, int64_t outliers) {
      return ns_a_token(matmul_graph(size.n, size.k, integers, outliers), isas, set.bf16);
    };
    if (set.f32) print_row(set.isa, "GemmF32", size.n, size.k, cost(false, 0));
    if (set.bf16) print_row(set.isa, "GemmBf16", size.n, size.k, cost(false, 0));
    if (set.s8) print_row(set.isa, "GemmS8", size.n, size.k, cost(true, 0));
  }
  // All columns that a layer may have at once, so that their cost stands out of the noise.
  if (set.s8) {
    const double with = ns_a_token(matmul_graph(1536, 384, true, kMostOutliers), isas, false);
    const double without = ns_a_token(matmul_graph(1536, 384, true, 0), isas, false);
    print_row(set.isa, "Outlier", 1536, 1, std::max(0.0, (with - without) / kMostOutliers));
  }
  for (const int64_t width : kWidths) {
    const auto attention = [&](graph::FloatArithmetic arithmetic) {
      return ns_a_token(attention_graph(width, arithmetic), isas, false);
    };
    if (set.f32 || set.bf16) {
      print_row(set.isa, "AttentionBf16", width, kTokens, attention(graph::FloatArithmetic::kBf16));
    }
    if (!set.f32) continue;
    print_row(set.isa, "Attention", width, kTokens, attention(graph::FloatArithmetic::kF32));
    print_row(set.isa, "LayerNorm", width, 1, ns_a_token(layer_norm_graph(width), isas, false));
  }
}

}  // namespace
}  // namespace tamis

int main() {
  std::printf(
      "// Measured on %s by tests/quantizers/cost_table.cc: ns a token on one thread, 128\n"
      "// tokens at once. TAMIS_COST(isa, op, n, k, ns); see quant/cost.h.\n",
      tamis::cpu_model().c_str());
  try {
    for (const tamis::Set& set : tamis::kSets) tamis::print_set(set);
  } catch (const tamis::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
