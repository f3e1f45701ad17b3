#include "quant/trained_ranges.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "kernels/reference/quantize.h"
#include "quant/plain_plan.h"
#include "tensor/widened.h"

namespace tamis::quant {

using graph::Graph;
using graph::Node;
using graph::Operand;
using graph::Quantizer;
using graph::QuantScheme;
using graph::TrainedRanges;
using graph::ValueId;

namespace {

// The checkpoint's name of a mark: of the encoder alone, it has no prefix.
const std::pair<const std::string, std::vector<float>>* find_range(const TrainedRanges& ranges,
                                                                   const std::string& mark) {
  auto found = ranges.amax.find(mark);
  const std::string prefix = ranges.prefix + ".";
  if (found == ranges.amax.end() && mark.starts_with(prefix)) {
    found = ranges.amax.find(mark.substr(prefix.size()));
  }
  return found == ranges.amax.end() ? nullptr : &*found;
}

bool is_number(const std::vector<float>& amax) {
  return std::none_of(amax.begin(), amax.end(), [](float value) { return std::isnan(value); });
}

class Application {
 public:
  Application(Graph& graph, const TrainedRanges& ranges, Scheme scheme)
      : graph_(graph), ranges_(ranges), is_static_(scheme == Scheme::kStatic) {}

  void run() {
    for (Node& node : graph_.nodes()) {
      for (Quantizer& mark : node.quantizers) apply(node, mark);
    }
    for (const auto& [name, amax] : ranges_.amax) {
      if (used_.contains(name) || ranges_.of_unread_layers.contains(name)) continue;
      fail(ErrorCode::kCorruptData, ranges_.source, ": there is a range of ",
           json_quote(name.substr(0, 200)), ", but the model has no such quantizer; ",
           nearest_quantizers(graph_, name));
    }
  }

 private:
  void apply(const Node& node, Quantizer& mark) {
    const auto* range = find_range(ranges_, mark.names[0]);
    const bool there = range != nullptr && is_number(range->second);
    mark.enabled = there && (is_static_ || mark.enabled);
    if (range == nullptr) return;
    used_.insert(range->first);
    const bool of_weight = mark.operand == Operand::kWeight;
    const int64_t expected =
        of_weight ? graph_.value(node.operand(Operand::kWeight)).shape[0].size : 1;
    if (static_cast<int64_t>(range->second.size()) != expected) {
      fail(ErrorCode::kCorruptData, ranges_.source, ": ", json_quote(range->first), " has ",
           range->second.size(), " ranges; expected ", expected);
    }
    if (of_weight || !there || mark.scheme != QuantScheme::kStaticS8) return;
    mark.high = range->second[0];
    mark.low = -*mark.high;
  }

  Graph& graph_;
  const TrainedRanges& ranges_;
  bool is_static_;
  std::set<std::string> used_;
};

// Of a MatMul whose weight marks are on; merged ones are so together.
IntegerWeight trained_weight(const Node& node, const std::shared_ptr<const Tensor>& weight,
                             const TrainedRanges& ranges) {
  const std::vector<float> rows = trained_rows(node, ranges);
  if (rows.empty()) {
    fail(ErrorCode::kInvalidArgument, "the quantizer \"", node.mark(Operand::kWeight)->names[0],
         "\" is on, but ", ranges.source, " has no range of it; switch it off");
  }
  return round_to_rows(widened(weight)->as<float>(), rows);
}

std::shared_ptr<const Tensor> multiplied_out(const IntegerWeight& weight) {
  Tensor out(DType::kF32, Shape{weight.rows, weight.columns});
  multiply_out(weight.q, weight.scale, out.mutable_as<float>());
  return std::make_shared<const Tensor>(std::move(out));
}

void switch_weight_marks_off(Node& node) {
  for (Quantizer& mark : node.quantizers) {
    mark.enabled = mark.enabled && mark.operand != Operand::kWeight;
  }
}

}  // namespace

void apply_ranges(Graph& graph, const TrainedRanges& ranges, Scheme scheme) {
  if (ranges.empty()) return;
  if (scheme == Scheme::kOrt) {
    fail(ErrorCode::kUnsupported, "--scheme ort: ", ranges.source,
         " has ranges of symmetric quantizers; accepted are static, which takes them, and native");
  }
  Application(graph, ranges, scheme).run();
}

std::vector<float> trained_rows(const Node& matmul, const TrainedRanges& ranges) {
  std::vector<float> rows;
  for (const Quantizer& mark : matmul.quantizers) {
    if (mark.operand != Operand::kWeight) continue;
    const auto* range = find_range(ranges, mark.names[0]);
    if (range == nullptr || !is_number(range->second)) return {};
    rows.insert(rows.end(), range->second.begin(), range->second.end());
  }
  return rows;
}

IntegerWeight round_to_rows(std::span<const float> weight, std::span<const float> amax) {
  IntegerWeight out;
  out.rows = static_cast<int64_t>(amax.size());
  out.columns = amax.empty() ? 0 : static_cast<int64_t>(weight.size() / amax.size());
  out.q.resize(weight.size());
  const auto k = static_cast<size_t>(out.columns);
  for (size_t i = 0; i < amax.size(); ++i) {
    const float scale = kernels::reference::static_s8_scale(amax[i]);
    out.scale.push_back(scale);
    for (size_t at = i * k; at < (i + 1) * k; ++at) {
      const int8_t q = kernels::reference::quantize_static_s8(weight[at], scale);
      out.q[at] = std::max<int8_t>(q, -127);
    }
  }
  return out;
}

void round_lone_weights(Graph& graph, const TrainedRanges& ranges) {
  if (ranges.empty()) return;
  const std::vector<size_t> integer = quantizable_linears(graph);
  std::map<ValueId, ValueId> rounded;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node node = graph.nodes()[i];
    const bool marked = node.enabled_mark(Operand::kWeight) != nullptr;
    if (!graph::is_float_linear(node) || !marked) continue;
    if (std::binary_search(integer.begin(), integer.end(), i)) continue;
    const ValueId weight = node.operand(Operand::kWeight);
    if (!rounded.contains(weight)) {
      const graph::Value& value = graph.value(weight);
      const std::string name = cat(value.name, ".rounded");
      auto made = multiplied_out(trained_weight(node, value.constant, ranges));
      rounded[weight] = graph.add_constant(name, std::move(made));
    }
    graph.nodes()[i].set_operand(Operand::kWeight, rounded[weight]);
    switch_weight_marks_off(graph.nodes()[i]);
  }
  if (!rounded.empty()) graph.remove_dead();
}

void make_trained_plan(Graph& graph, const TrainedRanges& ranges) {
  std::map<ValueId, std::vector<size_t>> by_weight;
  for (const size_t index : quantizable_linears(graph)) {
    by_weight[graph.nodes()[index].operand(Operand::kWeight)].push_back(index);
  }
  for (const auto& [weight, nodes] : by_weight) {
    TreatedLinear treated;
    treated.weight = trained_weight(graph.nodes()[nodes[0]], graph.value(weight).constant, ranges);
    apply_treatment(graph, nodes, treated);
  }
  graph.remove_dead();
}

}  // namespace tamis::quant
