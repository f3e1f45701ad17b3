#include "graph/graph.h"

#include <algorithm>

#include "base/error.h"

namespace tamis::graph {

namespace {

// What is absent at the end is not stored.
void trim(std::vector<ValueId>& inputs) {
  while (!inputs.empty() && inputs.back() == kNoValue) inputs.pop_back();
}

}  // namespace

ValueId Node::operand(Operand operand) const {
  const auto place = op_info(op).place(operand);
  return place && *place < inputs.size() ? inputs[*place] : kNoValue;
}

void Node::set_operand(Operand operand, ValueId value) {
  const auto place = op_info(op).place(operand);
  TAMIS_CHECK(place.has_value());
  if (inputs.size() <= *place) inputs.resize(*place + 1, kNoValue);
  inputs[*place] = value;
  trim(inputs);
}

const Quantizer* Node::mark(Operand operand) const {
  for (const Quantizer& mark : quantizers) {
    if (mark.operand == operand) return &mark;
  }
  return nullptr;
}

const Quantizer* Node::enabled_mark(Operand operand) const {
  for (const Quantizer& mark : quantizers) {
    if (mark.operand == operand && mark.enabled) return &mark;
  }
  return nullptr;
}

bool are_word_ids(const Graph& graph, ValueId ids) {
  if (graph.value(ids).name == kInputIds) return true;
  const int producer = graph.producer(ids);
  return producer >= 0 && graph.nodes()[static_cast<size_t>(producer)].op == OpKind::kShiftIds;
}

void make_float_matmul(Node& node) {
  if (node.op == OpKind::kExpertMatMul) return node.set_operand(Operand::kWeightScale, kNoValue);
  const OpInfo& floats = op_info(OpKind::kMatMul);
  node.op = OpKind::kMatMul;
  node.inputs.resize(std::min(node.inputs.size(), floats.count));
  trim(node.inputs);
}

std::string Graph::unique_name(std::string_view wanted) const {
  std::string name(wanted);
  for (int suffix = 2; find_value(name) != kNoValue; ++suffix) name = cat(wanted, "_", suffix);
  return name;
}

ValueId Graph::add_value(Value value) {
  const auto id = static_cast<ValueId>(values_.size());
  by_name_.emplace(value.name, id);
  values_.push_back(std::move(value));
  return id;
}

ValueId Graph::add_input(std::string_view name, DType dtype, const SymbolicShape& shape) {
  const ValueId id = add_value({unique_name(name), dtype, shape, nullptr});
  inputs_.push_back(id);
  return id;
}

ValueId Graph::add_constant(std::string_view name, std::shared_ptr<const Tensor> tensor) {
  const DType dtype = tensor->dtype();
  const SymbolicShape shape(tensor->shape().sizes());
  return add_value({unique_name(name), dtype, shape, std::move(tensor)});
}

ValueId Graph::add_node(OpKind op, std::vector<ValueId> inputs, Attributes attributes,
                        std::string_view scope, std::string_view name) {
  return insert_node(nodes_.size(), op, std::move(inputs), std::move(attributes), scope, name);
}

ValueId Graph::insert_node(size_t index, OpKind op, std::vector<ValueId> inputs,
                           Attributes attributes, std::string_view scope, std::string_view name) {
  trim(inputs);
  Node node{op, std::move(inputs), kNoValue, std::move(attributes), std::string(scope), {}};
  ValueType type = infer_output(*this, node);
  const std::string wanted =
      !name.empty() ? std::string(name)
                    : (scope.empty() ? std::string(op_name(op)) : cat(scope, ".", op_name(op)));
  node.output = add_value({unique_name(wanted), type.dtype, type.shape, nullptr});
  const ValueId output = node.output;
  nodes_.insert(nodes_.begin() + static_cast<std::ptrdiff_t>(index), std::move(node));
  return output;
}

void Graph::add_output(std::string_view name, ValueId value) {
  outputs_.push_back({std::string(name), value});
}

void Graph::keep_outputs(std::span<const std::string> names) {
  for (const std::string& name : names) {
    const bool known = std::any_of(outputs_.begin(), outputs_.end(),
                                   [&](const GraphOutput& o) { return o.name == name; });
    if (!known) fail(ErrorCode::kNotFound, "the graph has no output \"", name, "\"");
  }
  if (names.empty()) return;
  std::erase_if(outputs_, [&](const GraphOutput& output) {
    return std::find(names.begin(), names.end(), output.name) == names.end();
  });
}

int Graph::producer(ValueId id) const {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].output == id) return static_cast<int>(i);
  }
  return -1;
}

std::vector<int> Graph::consumers(ValueId id) const {
  std::vector<int> found;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const std::vector<ValueId>& inputs = nodes_[i].inputs;
    if (std::find(inputs.begin(), inputs.end(), id) != inputs.end()) {
      found.push_back(static_cast<int>(i));
    }
  }
  return found;
}

bool Graph::is_output(ValueId id) const {
  return std::any_of(outputs_.begin(), outputs_.end(),
                     [id](const GraphOutput& output) { return output.value == id; });
}

ValueId Graph::find_value(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? kNoValue : found->second;
}

bool Graph::remove_dead() {
  std::vector<bool> used(values_.size(), false);
  const auto use = [&used](ValueId id) {
    if (id != kNoValue) used[static_cast<size_t>(id)] = true;
  };
  for (const GraphOutput& output : outputs_) use(output.value);
  for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) {
    if (!used[static_cast<size_t>(node->output)]) continue;
    for (const ValueId input : node->inputs) use(input);
  }
  for (const ValueId input : inputs_) use(input);
  if (std::find(used.begin(), used.end(), false) == used.end()) return false;

  std::erase_if(nodes_,
                [&used](const Node& node) { return !used[static_cast<size_t>(node.output)]; });
  std::vector<ValueId> new_id(values_.size(), kNoValue);
  std::vector<Value> kept;
  by_name_.clear();
  for (size_t i = 0; i < values_.size(); ++i) {
    if (!used[i]) continue;
    new_id[i] = static_cast<ValueId>(kept.size());
    by_name_.emplace(values_[i].name, new_id[i]);
    kept.push_back(std::move(values_[i]));
  }
  values_ = std::move(kept);
  const auto renumber = [&new_id](ValueId& id) {
    if (id != kNoValue) id = new_id[static_cast<size_t>(id)];
  };
  for (Node& node : nodes_) {
    for (ValueId& input : node.inputs) renumber(input);
    renumber(node.output);
  }
  for (ValueId& input : inputs_) renumber(input);
  for (GraphOutput& output : outputs_) renumber(output.value);
  return true;
}

void set_attention_arithmetic(Graph& graph, FloatArithmetic arithmetic) {
  for (Node& node : graph.nodes()) {
    if (node.op != OpKind::kAttention) continue;
    std::get<AttentionAttributes>(node.attributes).arithmetic = arithmetic;
  }
}

}  // namespace tamis::graph
