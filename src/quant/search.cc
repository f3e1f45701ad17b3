#include "quant/search.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "graph/mark_switches.h"
#include "quant/plain_plan.h"

namespace tamis::quant {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Operand;
using graph::OpKind;
using graph::Quantizer;
using graph::ValueId;

namespace {

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
  graph::make_float_matmul(node);
  for (const Operand operand : {Operand::kWeight, Operand::kBias}) {
    if (!graph::op_info(node.op).place(operand)) continue;
    const ValueId id = original.operand(operand);
    node.set_operand(operand, id == kNoValue ? kNoValue : restore_constant(graph, source, id));
  }
  graph::switch_marks_off(node);
}

const Node* node_making(const Graph& graph, const std::string& name) {
  const int index = graph.producer(graph.find_value(name));
  return index < 0 ? nullptr : &graph.nodes()[static_cast<size_t>(index)];
}

// The number's end in ".layer.12.": where a module's path inside its layer begins; npos if there is
// no number.
size_t layer_end(const std::string& name) {
  for (size_t at = name.find('.'); at != std::string::npos; at = name.find('.', at + 1)) {
    size_t end = at + 1;
    while (end < name.size() && name[end] >= '0' && name[end] <= '9') ++end;
    if (end > at + 1 && end < name.size() && name[end] == '.') return end;
  }
  return std::string::npos;
}

// "bert.encoder.layer.3.attention.self.query._input_quantizer": its layer is "layer.3".
std::string layer_name(const std::string& name) {
  const size_t end = layer_end(name);
  if (end == std::string::npos) return "";
  const size_t number = name.rfind('.', end - 1);
  const size_t word = number == 0 ? std::string::npos : name.rfind('.', number - 1);
  return name.substr(word == std::string::npos ? 0 : word + 1,
                     end - (word == std::string::npos ? 0 : word + 1));
}

// ... and its kind "attention.self".
std::string kind_name(const std::string& name) {
  const size_t end = layer_end(name);
  if (end == std::string::npos) return "";
  // "._input_quantizer" of a linear layer, ".matmul_quantizer_0" of an attention: what it
  // multiplies is another kind than the linear layers of its module.
  const size_t mark = std::min(name.rfind("._"), name.rfind("_quantizer_"));
  std::string kind = name.substr(end + 1, mark == std::string::npos ? mark : mark - end - 1);
  // Q, K and V are one MatMul after the passes; their module says more than the first's name.
  for (const std::string_view first : {".query", ".q_lin"}) {
    if (kind.ends_with(first)) kind.resize(kind.size() - first.size());
  }
  return kind;
}

// All of an attention's products go to float together.
LayerSet attention_set(const Graph& quantized, const Node& node, const PriceOf& price) {
  LayerSet set;
  const std::string& output = quantized.value(node.output).name;
  set.outputs = {output};
  for (const Quantizer& mark : node.quantizers) {
    if (mark.enabled) set.names.insert(set.names.end(), mark.names.begin(), mark.names.end());
  }
  set.name = set.names[0];
  Node in_float = node;
  graph::switch_marks_off(in_float);
  set.price = price(quantized, in_float) - price(quantized, node);
  return set;
}

std::vector<LayerSet> gather(std::span<const LayerSet> layers,
                             std::string (*name_of)(const std::string&)) {
  std::vector<LayerSet> sets;
  for (const LayerSet& layer : layers) {
    const std::string name = name_of(layer.name);
    if (name.empty()) continue;
    auto found = std::find_if(sets.begin(), sets.end(),
                              [&](const LayerSet& set) { return set.name == name; });
    if (found == sets.end()) found = sets.insert(sets.end(), LayerSet{name, {}, {}, 0});
    found->outputs.insert(found->outputs.end(), layer.outputs.begin(), layer.outputs.end());
    found->names.insert(found->names.end(), layer.names.begin(), layer.names.end());
    found->price += layer.price;
  }
  return sets;
}

class Search {
 public:
  Search(const SearchProblem& problem, const MeasureLoss& measure)
      : problem_(problem), measure_(measure) {
    for (size_t i = 0; i < problem.layers.size(); ++i) order_.push_back(i);
    const auto worth = [&](size_t i) {
      return problem.gains[i] / std::max(problem.layers[i].price, 1e-30);
    };
    std::stable_sort(order_.begin(), order_.end(),
                     [&](size_t a, size_t b) { return worth(a) > worth(b); });
  }

  SearchResult run() {
    take({});
    if (!result_.met) {
      find_shortest();
      if (result_.met) drop_the_needless();
    }
    if (problem_.explore) explore();
    return std::move(result_);
  }

 private:
  using Choice = std::vector<size_t>;

  [[nodiscard]] Choice first(size_t count) const {
    return {order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(count)};
  }

  // The least number of layers, in the order of what they give for their price, that meets the
  // limit: losses need not fall with every layer, so the search doubles up before it halves.
  void find_shortest() {
    const size_t all = order_.size();
    size_t below = 0;
    size_t count = std::min<size_t>(1, all);
    while (count > 0 && !take(first(count)) && count < all) {
      below = count;
      count = std::min(2 * count, all);
    }
    if (!result_.met) return;
    while (count - below > 1) {
      const size_t middle = below + (count - below) / 2;
      (take(first(middle)) ? count : below) = middle;
    }
    best_ = first(count);
  }

  // Repair: the dearest first, each layer goes back to integers if the limit holds without it.
  void drop_the_needless() {
    constexpr size_t kMostTries = 12;
    Choice tries = best_;
    std::stable_sort(tries.begin(), tries.end(), [&](size_t a, size_t b) {
      return problem_.layers[a].price > problem_.layers[b].price;
    });
    if (tries.size() > kMostTries) tries.resize(kMostTries);
    for (const size_t layer : tries) {
      Choice fewer = best_;
      std::erase(fewer, layer);
      if (!fewer.empty() && !was_measured(fewer) && take(fewer)) best_ = std::move(fewer);
    }
  }

  void explore() {
    for (size_t count = 1; count < order_.size(); count *= 2) {
      if (!was_measured(first(count))) measure(first(count));
    }
  }

  // A part of the best choice that was measured before did not meet the limit.
  [[nodiscard]] bool was_measured(const Choice& choice) const {
    return std::find(seen_.begin(), seen_.end(), choice) != seen_.end();
  }

  // Measures a choice and adds its point.
  std::pair<Graph, double> measure(const Choice& choice) {
    std::vector<std::string> outputs;
    PlanPoint point;
    for (const size_t i : choice) {
      const LayerSet& layer = problem_.layers[i];
      outputs.insert(outputs.end(), layer.outputs.begin(), layer.outputs.end());
      point.in_float.insert(point.in_float.end(), layer.names.begin(), layer.names.end());
      point.price += layer.price;
    }
    Graph graph = choice.empty() ? problem_.quantized
                                 : unquantize(problem_.quantized, problem_.source, outputs);
    point.loss = measure_(graph);
    const double loss = point.loss;
    result_.points.push_back(std::move(point));
    seen_.push_back(choice);
    return {std::move(graph), loss};
  }

  // Measures a choice and keeps it if it meets the limit at a lower price than the best so far, or
  // if none met it.
  bool take(const Choice& choice) {
    auto [graph, loss] = measure(choice);
    const bool met = loss <= problem_.limit;
    const size_t index = result_.points.size() - 1;
    const bool cheaper = result_.points[index].price <= result_.points[result_.chosen].price;
    if (met ? (!result_.met || cheaper) : !result_.met) {
      result_.graph = std::move(graph);
      result_.chosen = index;
      result_.met = met;
    }
    return met;
  }

  const SearchProblem& problem_;
  const MeasureLoss& measure_;
  SearchResult result_;
  Choice order_;
  Choice best_;
  std::vector<Choice> seen_;
};

}  // namespace

bool is_in_integers(const Node& node) {
  if (graph::has_integer_weight(node)) return true;
  return node.op == OpKind::kAttention &&
         std::ranges::any_of(node.quantizers, [](const Quantizer& mark) { return mark.enabled; });
}

Graph unquantize(const Graph& quantized, const Graph& source,
                 const std::vector<std::string>& outputs) {
  Graph graph = quantized;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const std::string& name = graph.value(graph.nodes()[i].output).name;
    if (!contains(outputs, name)) continue;
    if (graph.nodes()[i].op == OpKind::kAttention) {
      graph::switch_marks_off(graph.nodes()[i]);
      continue;
    }
    const Node* original = node_making(source, name);
    if (original == nullptr || !graph::is_float_linear(*original)) {
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

std::vector<LayerSet> integer_layers(const Graph& quantized, const Graph& source,
                                     const PriceOf& price) {
  std::vector<LayerSet> layers;
  std::map<ValueId, size_t> by_weight;
  for (const Node& node : quantized.nodes()) {
    if (!is_in_integers(node)) continue;
    if (node.op == OpKind::kAttention) {
      layers.push_back(attention_set(quantized, node, price));
      continue;
    }
    const ValueId weight = node.operand(Operand::kWeight);
    const auto [found, is_new] = by_weight.emplace(weight, layers.size());
    if (is_new) layers.emplace_back();
    LayerSet& layer = layers[found->second];
    const std::string& output = quantized.value(node.output).name;
    layer.outputs.push_back(output);
    const Node* original = node_making(source, output);
    if (original == nullptr) {
      fail(ErrorCode::kNotFound, "quantization: the float graph has no MatMul \"", output, "\"");
    }
    layer.price += price(source, *original) - price(quantized, node);
    if (!is_new) continue;
    for (const Quantizer& mark : node.quantizers) {
      if (mark.operand != Operand::kX) continue;
      layer.names.insert(layer.names.end(), mark.names.begin(), mark.names.end());
    }
    layer.name = layer.names.empty() ? output : layer.names[0];
  }
  return layers;
}

std::vector<LayerSet> sets_by_layer(std::span<const LayerSet> layers) {
  return gather(layers, layer_name);
}

std::vector<LayerSet> sets_by_kind(std::span<const LayerSet> layers) {
  return gather(layers, kind_name);
}

SearchResult search_within(const SearchProblem& problem, const MeasureLoss& measure) {
  return Search(problem, measure).run();
}

}  // namespace tamis::quant
