// Helpers of the tests of quantized files: plans of the committed checkpoints, and what they
// answer.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engines/simulate/simulate.h"
#include "graph/graph.h"
#include "model/self_test.h"
#include "model/test_util.h"
#include "onnx/export/export_onnx.h"
#include "optimize/optimize.h"

namespace tamis::api {

inline std::vector<TextRow> few_texts() {
  std::vector<TextRow> rows(6);
  const char* texts[] = {"A fine film.",         "Nobody came.", "It rained for days on end.",
                         "Anna sold the table.", "No.",          "Where is it? In Zürich."};
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].text = texts[i];
    rows[i].line = static_cast<int64_t>(i + 1);
  }
  return rows;
}

inline OptimizeOptions all_integers(std::string_view scheme) {
  OptimizeOptions options;
  options.model = on_threads(2);
  options.model.precision = engine::Precision::kInt8;
  set_scheme(options, scheme);
  options.calibration = few_texts();
  options.calibration_file = "texts.tsv";
  options.seconds = 0;
  return options;
}

inline PlannedModel planned(const std::string& name, std::string_view scheme,
                            const quant::Treatments& treatments = {}) {
  OptimizeOptions options = all_integers(scheme);
  options.quantize.treatments = treatments;
  return plan_model(resolve_model(testdata(name).string()), options);
}

inline int64_t count_of(const onnx::ModelProto& model, std::string_view op) {
  return std::ranges::count_if(model.graph.nodes,
                               [op](const auto& node) { return node.op_type == op; });
}

inline double farthest(const std::vector<std::vector<float>>& a,
                       const std::vector<std::vector<float>>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < a[i].size(); ++j) {
      most = std::max(most, std::abs(double{a[i][j]} - b[i][j]));
    }
  }
  return most;
}

/// The plan with the numbers that its integers stand for, and activations left as they are.
inline graph::Graph multiplied_out(graph::Graph graph) {
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    graph::Node node = graph.nodes()[i];
    if (node.op == graph::OpKind::kQuantizedMatMul) {
      const auto weight = engines::simulate::multiplied_out_weight(graph, node);
      node.set_operand(graph::Operand::kWeight, graph.add_constant(cat("numbers_", i), weight));
      graph::make_float_matmul(node);
    }
    node.quantizers.clear();
    graph.nodes()[i] = std::move(node);
  }
  graph.remove_dead();
  return graph;
}

/// What the plan answers with those numbers.
inline std::vector<std::vector<float>> answers_of_numbers(const PlannedModel& plan) {
  const auto runner =
      plan.checkpoint->make_runner(multiplied_out(plan.graph), engine::Precision::kFp32);
  std::vector<tasks::Encoded> encoded;
  for (const tasks::TaskInput& input : example_inputs(*plan.checkpoint)) {
    encoded.push_back(
        plan.checkpoint->encode(input, tasks::default_options(plan.checkpoint->task())));
  }
  std::vector<std::vector<float>> answers(encoded.size());
  runner->run(encoded, 64, [&](size_t i, std::span<const tasks::OutputView> outputs) {
    const auto values = outputs[0].tensor.as<float>();
    answers[i].assign(values.begin(), values.end());
  });
  return answers;
}

}  // namespace tamis::api
