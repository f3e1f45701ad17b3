#include "quant/search.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "quant/plain_plan.h"

namespace tamis::quant {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::OpKind;
using graph::Quantizer;
using graph::ValueId;

namespace {

// Inputs of a MatMul: weight, bias and residual; behind them stands what quantization added.
constexpr size_t kWeight = 1;
constexpr size_t kBias = 2;
constexpr size_t kFloatInputs = 4;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The source's constant in the graph: under its name if it is there as it was or as integers.
ValueId restore_constant(Graph& graph, const Graph& source, ValueId id) {
  const graph::Value& value = source.value(id);
  const ValueId found = graph.find_value(value.name);
  if (found == kNoValue) return graph.add_constant(value.name, value.constant);
  graph.value(found).constant = value.constant;
  graph.value(found).dtype = value.dtype;
  return found;
}

void restore_node(Graph& graph, const Graph& source, Node& node, const Node& original) {
  node.inputs.resize(std::min(node.inputs.size(), kFloatInputs), kNoValue);
  node.inputs[kWeight] = restore_constant(graph, source, original.inputs[kWeight]);
  if (original.input(kBias) != kNoValue) {
    node.inputs[kBias] = restore_constant(graph, source, original.inputs[kBias]);
  } else if (node.inputs.size() > kBias) {
    node.inputs[kBias] = kNoValue;
  }
  while (node.inputs.back() == kNoValue) node.inputs.pop_back();
  for (Quantizer& mark : node.quantizers) mark.enabled = false;
}

const Node* node_making(const Graph& graph, const std::string& name) {
  const int index = graph.producer(graph.find_value(name));
  return index < 0 ? nullptr : &graph.nodes()[static_cast<size_t>(index)];
}

// Multiplications a row of a MatMul's input.
double operations(const Graph& graph, const Node& node) {
  const graph::SymbolicShape& weight = graph.value(node.inputs[kWeight]).shape;
  return static_cast<double>(weight[0].size) * static_cast<double>(weight[1].size);
}

// The integer layers, those that share a weight together.
std::vector<Sensitivity> groups_of(const Graph& quantized, const Graph& source) {
  double total = 0;
  std::map<ValueId, Sensitivity> by_weight;
  for (const Node& node : source.nodes()) {
    if (node.op == OpKind::kMatMul) total += operations(source, node);
  }
  for (const Node& node : quantized.nodes()) {
    if (node.op != OpKind::kMatMul) continue;
    const ValueId weight = node.inputs[kWeight];
    if (quantized.value(weight).dtype != DType::kI8) continue;
    Sensitivity& group = by_weight[weight];
    group.outputs.push_back(quantized.value(node.output).name);
    group.price += operations(quantized, node) / total;
    if (!group.names.empty()) continue;
    for (const Quantizer& mark : node.quantizers) {
      if (mark.operand == 0)
        group.names.insert(group.names.end(), mark.names.begin(), mark.names.end());
    }
  }
  std::vector<Sensitivity> groups;
  for (auto& [weight, group] : by_weight) groups.push_back(std::move(group));
  return groups;
}

// Keeps the points that no other beats in both loss and price.
std::vector<PlanPoint> pareto_front(std::vector<PlanPoint> points) {
  std::stable_sort(points.begin(), points.end(), [](const PlanPoint& a, const PlanPoint& b) {
    return a.price != b.price ? a.price < b.price : a.loss < b.loss;
  });
  std::vector<PlanPoint> front;
  for (PlanPoint& point : points) {
    if (front.empty() || point.loss < front.back().loss) front.push_back(std::move(point));
  }
  return front;
}

class Search {
 public:
  Search(const Graph& quantized, const Graph& source, double limit, const MeasureLoss& measure)
      : quantized_(quantized), source_(source), limit_(limit), measure_(measure) {}

  SearchResult run() {
    result_.graph = quantized_;
    result_.loss = measure_(quantized_);
    points_.push_back({{}, 0, result_.loss});
    result_.met = result_.loss <= limit_;
    if (!result_.met) repair();
    result_.front = pareto_front(std::move(points_));
    return std::move(result_);
  }

 private:
  // Un-quantizes by gain for its price until the budget holds, then takes back what was not needed.
  void repair() {
    const double full = result_.loss;
    result_.sensitivities = measure_sensitivities(quantized_, source_, measure_);
    std::vector<const Sensitivity*> order;
    for (const Sensitivity& group : result_.sensitivities) {
      points_.push_back({group.names, group.price, full - group.gain});
      order.push_back(&group);
    }
    std::stable_sort(order.begin(), order.end(), [](const Sensitivity* a, const Sensitivity* b) {
      return a->gain * b->price > b->gain * a->price;
    });
    double predicted = full;
    for (const Sensitivity* group : order) {
      chosen_.push_back(group);
      predicted -= group->gain;
      // What is predicted to be over by a quarter is not worth a measurement.
      if (predicted > limit_ * 1.25 && chosen_.size() < order.size()) continue;
      if (take(chosen_)) break;
    }
    if (result_.met) drop_the_needless();
  }

  void drop_the_needless() {
    for (size_t i = 0; i + 1 < chosen_.size();) {
      std::vector<const Sensitivity*> fewer = chosen_;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
      if (take(fewer)) {
        chosen_ = std::move(fewer);
      } else {
        ++i;
      }
    }
  }

  // Measures a choice and keeps it if it meets the budget, or if none does so far.
  bool take(const std::vector<const Sensitivity*>& choice) {
    std::vector<std::string> outputs;
    PlanPoint point;
    for (const Sensitivity* group : choice) {
      outputs.insert(outputs.end(), group->outputs.begin(), group->outputs.end());
      point.in_float.insert(point.in_float.end(), group->names.begin(), group->names.end());
      point.price += group->price;
    }
    Graph graph = unquantize(quantized_, source_, outputs);
    point.loss = measure_(graph);
    const bool met = point.loss <= limit_;
    if (met || !result_.met) {
      result_.graph = std::move(graph);
      result_.loss = point.loss;
      result_.met = met;
    }
    points_.push_back(std::move(point));
    return met;
  }

  const Graph& quantized_;
  const Graph& source_;
  double limit_;
  const MeasureLoss& measure_;
  SearchResult result_;
  std::vector<PlanPoint> points_;
  std::vector<const Sensitivity*> chosen_;
};

}  // namespace

Graph unquantize(const Graph& quantized, const Graph& source,
                 const std::vector<std::string>& outputs) {
  Graph graph = quantized;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const std::string& name = graph.value(graph.nodes()[i].output).name;
    if (!contains(outputs, name)) continue;
    const Node* original = node_making(source, name);
    if (original == nullptr || original->op != OpKind::kMatMul) {
      fail(ErrorCode::kNotFound, "quantization: the float graph has no MatMul \"", name, "\"");
    }
    Node node = graph.nodes()[i];
    restore_node(graph, source, node, *original);
    graph.nodes()[i] = std::move(node);
  }
  graph.remove_dead();
  graph::verify(graph);
  return graph;
}

std::vector<Sensitivity> measure_sensitivities(const Graph& quantized, const Graph& source,
                                               const MeasureLoss& measure) {
  const double full = measure(quantized);
  std::vector<Sensitivity> groups = groups_of(quantized, source);
  for (Sensitivity& group : groups) {
    group.gain = full - measure(unquantize(quantized, source, group.outputs));
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Sensitivity& a, const Sensitivity& b) { return a.gain > b.gain; });
  return groups;
}

SearchResult search_within(const Graph& quantized, const Graph& source, double limit,
                           const MeasureLoss& measure) {
  return Search(quantized, source, limit, measure).run();
}

}  // namespace tamis::quant
