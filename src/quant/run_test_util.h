// Random texts through the graph of test_util.h, in float and with its integers.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include "engine/engine.h"
#include "passes/pipeline.h"
#include "quant/marks.h"
#include "quant/test_util.h"

namespace tamis::quant {

/// Random ids for the graph of test_util.h.
struct Texts {
  explicit Texts(int sequences) {
    for (int s = 0; s < sequences; ++s) {
      for (int t = 0; t < 3 + s % 7; ++t) ids.push_back((s * 7 + t * 3) % 20);
      cu_seqlens.push_back(static_cast<int32_t>(ids.size()));
    }
  }
  [[nodiscard]] engine::PackedBatch batch() const { return {ids, {}, {}, cu_seqlens, {}, 9}; }
  std::vector<int32_t> ids;
  std::vector<int32_t> cu_seqlens = {0};
};

inline graph::Graph marked(Scheme scheme, bool fused = true) {
  graph::Graph graph = graph_of(bert_layer_text());
  add_marks(graph, scheme);
  if (fused) passes::run_pipeline(graph);
  return graph;
}

inline std::vector<float> logits(const graph::Graph& graph, const Texts& texts, bool simulate) {
  engine::EngineOptions options;
  options.simulate = simulate;
  options.pool = std::make_shared<ThreadPool>(2);
  const auto session = engine::make_engine(graph, options)->make_session();
  engine::Outputs outputs;
  session->run(texts.batch(), outputs);
  const auto rows = outputs.get("logits").as<float>();
  return {rows.begin(), rows.end()};
}

inline std::vector<float> float_logits(graph::Graph graph, const Texts& texts) {
  for (graph::Node& node : graph.nodes()) node.quantizers.clear();
  return logits(graph, texts, false);
}

inline double relative_error(const std::vector<float>& got, const std::vector<float>& want) {
  double off = 0;
  double size = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    off += (double{got[i]} - want[i]) * (double{got[i]} - want[i]);
    size += double{want[i]} * want[i];
  }
  return std::sqrt(off / size);
}

}  // namespace tamis::quant
