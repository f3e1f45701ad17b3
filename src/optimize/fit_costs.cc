#include "optimize/fit_costs.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "engine/engine.h"
#include "kernels/reference/gemm_args.h"
#include "optimize/format.h"
#include "quant/cost.h"
#include "quant/plain_plan.h"
#include "tensor/widened.h"

namespace tamis::api {

namespace {

using graph::Graph;
using graph::OpKind;

constexpr int64_t kTokens = 128;

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
      {graph::Operand::kX, graph::QuantScheme::kPerTokenU8, true, {}, {}, {"m._input_quantizer"}},
      {graph::Operand::kWeight,
       graph::QuantScheme::kPerChannelS8,
       true,
       {},
       {},
       {"m._weight_quantizer"}}};
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

using Write = std::function<void(std::string_view)>;

struct Size {
  int64_t n;
  int64_t k;
};
constexpr Size kSizes[] = {{128, 128},  {512, 128},   {128, 512},   {384, 384},   {1152, 384},
                           {1536, 384}, {384, 1536},  {768, 768},   {2304, 768},  {3072, 768},
                           {768, 3072}, {1024, 1024}, {3072, 1024}, {4096, 1024}, {1024, 4096}};
constexpr Size kOutlierSize = {1536, 384};
constexpr int64_t kWidths[] = {128, 384, 768, 1024};

/// Rows are measured where the set brings a kernel of its own.
struct Set {
  Isa level;
  const char* isa;
  bool f32;
  bool s8;
  bool bf16;
};
constexpr Set kSets[] = {{Isa::kAvx2, "Avx2", true, true, false},
                         {Isa::kAvxVnni, "AvxVnni", false, true, false},
                         {Isa::kAvx512, "Avx512", true, true, false},
                         {Isa::kAvx512Vnni, "Avx512Vnni", false, true, false},
                         {Isa::kAvx512Bf16, "Avx512Bf16", false, false, true},
                         {Isa::kAmx, "Amx", false, true, true}};

class SetFit {
 public:
  SetFit(const Set& set, const FitOptions& options, const Write& write)
      : set_(set), isas_(isas_up_to(isa_name(set.level))), options_(options), write_(write) {}

  void run() const {
    for (const Size& size : kSizes) {
      if (std::max(size.n, size.k) <= options_.largest) products(size);
    }
    if (set_.s8 && options_.largest >= kOutlierSize.n) outliers();
    for (const int64_t width : kWidths) {
      if (width <= options_.largest) rows(width);
    }
  }

 private:
  void products(const Size& size) const {
    const auto cost = [&](bool integers) {
      return ns_a_token(matmul_graph(size.n, size.k, integers, 0), set_.bf16);
    };
    if (set_.f32) add("GemmF32", size.n, size.k, cost(false));
    if (set_.bf16) add("GemmBf16", size.n, size.k, cost(false));
    if (set_.s8) add("GemmS8", size.n, size.k, cost(true));
  }

  // All columns that a layer may have at once, so that their cost stands out of the noise.
  void outliers() const {
    const auto [n, k] = kOutlierSize;
    const double with = ns_a_token(matmul_graph(n, k, true, kMaxOutliers), false);
    const double without = ns_a_token(matmul_graph(n, k, true, 0), false);
    add("Outlier", n, 1, std::max(0.0, (with - without) / kMaxOutliers));
  }

  void rows(int64_t width) const {
    const auto attention = [&](graph::FloatArithmetic arithmetic) {
      return ns_a_token(attention_graph(width, arithmetic), false);
    };
    if (set_.f32 || set_.bf16) {
      add("AttentionBf16", width, kTokens, attention(graph::FloatArithmetic::kBf16));
    }
    if (!set_.f32) return;
    add("Attention", width, kTokens, attention(graph::FloatArithmetic::kF32));
    add("LayerNorm", width, 1, ns_a_token(layer_norm_graph(width), false));
  }

  // The least of many runs, a token.
  [[nodiscard]] double ns_a_token(const Graph& graph, bool bf16) const {
    engine::EngineOptions options;
    options.isas = isas_;
    if (bf16) options.precision = engine::Precision::kBf16;
    const auto session = engine::make_engine(graph, options)->make_session();
    const std::vector<int32_t> ids(kTokens, 1);
    const std::vector<int32_t> cu_seqlens = {0, kTokens};
    const std::shared_ptr<const Tensor> values = random_tensor({kTokens, 3 * 4096});
    const engine::FloatInput inputs[] = {{"x", values->as<float>().data()}};
    const engine::PackedBatch batch{ids, {}, {}, cu_seqlens, {}, kTokens, inputs};
    engine::Outputs outputs;
    int64_t least = std::numeric_limits<int64_t>::max();
    const Clock& clock = Clock::steady();
    const int64_t end = clock.now_ns() + options_.ms_a_row * 1'000'000;
    for (int i = 0; i < 200 && (i < 5 || clock.now_ns() < end); ++i) {
      const int64_t from = clock.now_ns();
      session->run(batch, outputs);
      least = std::min(least, clock.now_ns() - from);
    }
    return static_cast<double>(least) / kTokens;
  }

  void add(const char* op, int64_t n, int64_t k, double ns) const {
    write_(format("TAMIS_COST(%s, %s, %lld, %lld, %.4g)\n", set_.isa, op, static_cast<long long>(n),
                  static_cast<long long>(k), ns));
  }

  const Set& set_;
  IsaSet isas_;
  const FitOptions& options_;
  const Write& write_;
};

}  // namespace

void fit_costs(const FitOptions& options, const Write& write) {
  const CpuId id = cpu_id();
  write(cat("// Measured on ", cpu_model(), " (", id.vendor, ", family ", id.family, ", model ",
            id.model,
            ")\n// by `tamis bench --fit-costs`: ns a token on one thread, 128 tokens at ",
            "once.\n// TAMIS_COST(isa, op, n, k, ns); see quant/cost.h.\n"));
  for (const Set& set : kSets) {
    if (detected_isas().has(set.level)) SetFit(set, options, write).run();
  }
}

}  // namespace tamis::api
