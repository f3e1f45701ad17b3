// Every family through calibration: the tiny checkpoints, and the real MiniLM's figures.
#include "quant/quantize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "kernels/agreement.h"
#include "models/models.h"
#include "models/test_util.h"
#include "passes/pipeline.h"
#include "quant/marks.h"
#include "runtime/session.h"

namespace tamis {
namespace {

/// Ids from 5 up, past what families reserve.
struct Ids {
  explicit Ids(int sequences) {
    uint32_t state = 12345;
    for (int s = 0; s < sequences; ++s) {
      for (int t = 0; t < 4 + s % 9; ++t) {
        state = state * 1664525 + 1013904223;
        ids.push_back(5 + static_cast<int32_t>(state >> 16) % 370);
      }
      cu_seqlens.push_back(static_cast<int32_t>(ids.size()));
    }
  }
  [[nodiscard]] runtime::PackedBatch batch() const { return {ids, {}, {}, cu_seqlens, {}, 12}; }
  std::vector<int32_t> ids;
  std::vector<int32_t> cu_seqlens = {0};
};

std::vector<float> last_output(const graph::Graph& graph, const Ids& ids, bool simulate) {
  runtime::PlanOptions options;
  options.simulate_quantization = simulate;
  ThreadPool pool(2);
  runtime::Session session(runtime::Plan::make(graph, options), pool);
  runtime::Outputs outputs;
  session.run(ids.batch(), outputs);
  const auto rows = outputs.view(outputs.size() - 1).as<float>();
  return {rows.begin(), rows.end()};
}

class QuantizedModel : public testing::TestWithParam<const char*> {};

TEST_P(QuantizedModel, StaysCloseToFloatAndRunsAsSimulated) {
  const auto checkpoint = Checkpoint::open(models::testdata_model(GetParam()));
  graph::Graph graph = models::build_model(*checkpoint).graph;
  graph::Graph plain = graph;
  passes::run_pipeline(plain);
  quant::add_marks(graph);
  passes::run_pipeline(graph);
  const Ids calibration(80);
  const Ids unseen(11);
  const runtime::PackedBatch batches[] = {calibration.batch()};
  ThreadPool pool(2);
  const quant::Quantized made = quant::quantize(graph, batches, {}, pool);
  // Two layers of four linear layers; ALBERT's two share all but Q, K and V, which are stacked anew
  // in each layer.
  const bool shared = std::string(GetParam()).find("albert") != std::string::npos;
  EXPECT_EQ(made.report.linears.size(), shared ? 5u : 8u);
  for (const quant::LinearReport& report : made.report.linears) {
    EXPECT_LE(report.error, report.plain_error) << report.names[0];
  }
  const std::vector<float> want = last_output(plain, unseen, false);
  const std::vector<float> simulated = last_output(made.graph, unseen, true);
  const std::vector<float> integers = last_output(made.graph, unseen, false);
  EXPECT_GT(kernels::cosine(want, simulated), 0.99);
  // The same integers, but for a value that lies on the edge between two: sums are rounded in
  // another order before it.
  EXPECT_GT(kernels::cosine(simulated, integers), 0.9999);
}

INSTANTIATE_TEST_SUITE_P(All, QuantizedModel,
                         testing::Values("bert-base", "bert-sequence-classification",
                                         "roberta-token-classification", "electra-base",
                                         "distilbert-base", "albert-base",
                                         "albert-sequence-classification", "xlm-roberta-base",
                                         "camembert-base"),
                         [](const auto& row) {
                           std::string name = row.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace tamis
