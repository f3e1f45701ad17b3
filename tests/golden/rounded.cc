#include "tests/golden/rounded.h"

#include <algorithm>
#include <cmath>

#include "tensor/widened.h"

namespace tamis::golden {

namespace {

// The size of the sums that an output is made of, which may cancel: logits are products of hidden
// values of about unit size with rows of a weight, as large as the row's length.
double size_of_sums(const graph::Graph& graph, const std::string& output) {
  double largest = 0;
  for (const graph::GraphOutput& made : graph.outputs()) {
    if (made.name != output || graph.producer(made.value) < 0) continue;
    const graph::Node& node = graph.nodes()[static_cast<size_t>(graph.producer(made.value))];
    if (!graph::is_matmul(node)) continue;
    const graph::Value& weight = graph.value(node.operand(graph::Operand::kWeight));
    const auto k = static_cast<size_t>(weight.shape[1].size);
    const auto floats = widened(weight.constant);
    const std::span<const float> values = floats->as<float>();
    for (size_t i = 0; i < values.size(); i += k) {
      double squares = 0;
      for (const float w : values.subspan(i, k)) squares += double{w} * w;
      largest = std::max(largest, std::sqrt(squares));
    }
  }
  return largest;
}

}  // namespace

double rounded_tolerance(const Rounded& model, const std::string& output,
                         const Recorded& recorded) {
  double magnitude = size_of_sums(model.graph, output);
  for (const float value : recorded.values) {
    // What BigBird adds to the logits of a question is not rounded.
    constexpr double kAdded = 1e5;
    if (std::abs(static_cast<double>(value)) > kAdded) continue;
    magnitude = std::max(magnitude, std::abs(static_cast<double>(value)));
  }
  const ModelConfig& config = model.checkpoint->config();
  const auto roundings = static_cast<double>(12 * layers_of(config) + 4);
  const double r = model.precision == Precision::kBf16 ? 0x1p-9 : 8.0 / 510 / std::sqrt(3.0);
  return recorded.f64_maxdiff + 6 * r * std::sqrt(roundings) * magnitude;
}

}  // namespace tamis::golden
