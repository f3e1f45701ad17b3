// A small encoder with random weights, and batches for it.
#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include "engine/engine.h"
#include "engines/cpu/session.h"
#include "graph/graph.h"

namespace tamis::engines::cpu {

using engine::FloatInput;
using engine::Outputs;
using engine::PackedBatch;
using engine::RunControl;
using graph::FloatArithmetic;

inline constexpr int64_t kHidden = 24;
inline constexpr int64_t kVocab = 50;
inline constexpr int64_t kPositions = 700;

class TestEncoderBuilder {
 public:
  graph::Graph build() {
    const graph::ValueId ids =
        graph_.add_input(graph::kInputIds, DType::kI32, {graph::Dim::of(graph::Symbol::kTokens)});
    const graph::ValueId types = graph_.add_input(graph::kTokenTypeIds, DType::kI32,
                                                  {graph::Dim::of(graph::Symbol::kTokens)});
    const graph::ValueId positions = graph_.add_node(graph::OpKind::kPositionIds, {ids},
                                                     graph::PositionIdsAttributes{}, "positions");
    graph::ValueId x =
        graph_.add_node(graph::OpKind::kEmbedLayerNormalization,
                        {random({kVocab, kHidden}), ids, random({kHidden}), random({kHidden}),
                         random({kPositions, kHidden}), positions, random({2, kHidden}), types},
                        graph::LayerNormAttributes{1e-12f}, "embeddings", "embedded");
    for (int layer = 0; layer < 2; ++layer) x = add_layer(x);
    graph_.add_output("token_embeddings", x);
    graph_.add_output(
        "sentence_embedding",
        graph_.add_node(graph::OpKind::kSequencePool, {x},
                        graph::PoolAttributes{{Pooling::kMean, Pooling::kCls}}, "pool"));
    const graph::ValueId selected =
        graph_.add_node(graph::OpKind::kSelectTokens, {x}, graph::NoAttributes{}, "select");
    graph_.add_output("logits", matmul(selected, 7, Activation::kNone, graph::kNoValue));
    return std::move(graph_);
  }

 private:
  graph::ValueId random(const Shape& shape) {
    Tensor tensor(DType::kF32, shape);
    for (float& value : tensor.mutable_as<float>()) value = normal_(engine_) * 0.3f;
    return graph_.add_constant("c", std::make_shared<Tensor>(std::move(tensor)));
  }
  graph::ValueId matmul(graph::ValueId x, int64_t n, Activation activation,
                        graph::ValueId residual) {
    const int64_t k = graph_.value(x).shape[1].size;
    return graph_.add_node(graph::OpKind::kMatMul, {x, random({n, k}), random({n}), residual},
                           graph::MatMulAttributes{activation}, "linear");
  }
  graph::ValueId add_layer(graph::ValueId x) {
    const graph::ValueId qkv = matmul(x, 3 * kHidden, Activation::kNone, graph::kNoValue);
    const graph::ValueId context = graph_.add_node(
        graph::OpKind::kAttention, {qkv}, graph::AttentionAttributes{4, 0.4f}, "attention");
    const graph::ValueId attended = matmul(context, kHidden, Activation::kNone, x);
    const graph::ValueId normed = graph_.add_node(graph::OpKind::kLayerNormalization,
                                                  {attended, random({kHidden}), random({kHidden})},
                                                  graph::LayerNormAttributes{1e-5f}, "norm");
    const graph::ValueId inner = matmul(normed, 40, Activation::kGelu, graph::kNoValue);
    const graph::ValueId out = matmul(inner, kHidden, Activation::kNone, graph::kNoValue);
    return graph_.add_node(graph::OpKind::kSkipLayerNormalization,
                           {out, normed, random({kHidden}), random({kHidden})},
                           graph::LayerNormAttributes{1e-5f}, "skip_norm");
  }

  graph::Graph graph_;
  std::mt19937 engine_{20260101};
  std::normal_distribution<float> normal_;
};

/// Two layers, all outputs; the same at every call.
inline const graph::Graph& test_encoder() {
  static const graph::Graph graph = TestEncoderBuilder().build();
  return graph;
}

/// The same with its attention in that arithmetic.
inline graph::Graph test_encoder(graph::FloatArithmetic attention) {
  graph::Graph graph = test_encoder();
  graph::set_attention_arithmetic(graph, attention);
  return graph;
}

struct TestBatch {
  std::vector<int32_t> ids;
  std::vector<int32_t> types;
  std::vector<int32_t> cu_seqlens{0};
  std::vector<int32_t> selected;
  int32_t longest = 0;

  explicit TestBatch(const std::vector<int32_t>& lengths, uint32_t seed = 1) {
    std::mt19937 engine(seed);
    for (const int32_t length : lengths) {
      cu_seqlens.push_back(cu_seqlens.back() + length);
      longest = std::max(longest, length);
    }
    for (int32_t i = 0; i < cu_seqlens.back(); ++i) {
      ids.push_back(static_cast<int32_t>(engine() % kVocab));
      types.push_back(static_cast<int32_t>(engine() % 2));
    }
  }
  [[nodiscard]] PackedBatch packed() const {
    return {ids, types, {}, cu_seqlens, selected, longest};
  }
  [[nodiscard]] TestBatch only(size_t s) const {
    TestBatch one({});
    one.ids.assign(ids.begin() + cu_seqlens[s], ids.begin() + cu_seqlens[s + 1]);
    one.types.assign(types.begin() + cu_seqlens[s], types.begin() + cu_seqlens[s + 1]);
    one.longest = cu_seqlens[s + 1] - cu_seqlens[s];
    one.cu_seqlens = {0, one.longest};
    return one;
  }
};

/// The first output of one batch, on a pool of its own.
inline std::vector<float> run(const graph::Graph& graph, const PlanOptions& options,
                              const engine::PackedBatch& batch, int threads) {
  ThreadPool pool(threads);
  Outputs outputs;
  Session(Plan::make(graph, options), pool).run(batch, outputs);
  const auto values = outputs.view(0).as<float>();
  return {values.begin(), values.end()};
}

}  // namespace tamis::engines::cpu
