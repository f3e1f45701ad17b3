#include "onnx/file_graph.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <set>

#include "base/bf16.h"

namespace tamis::onnx {

namespace {

// Chains of moves in real files are short, and a cyclic file must end.
constexpr int kMostSteps = 32;

using Names = std::set<std::string, std::less<>>;

// Operators whose result is constant where their inputs are.
const Names& folded() {
  static const Names kNames = {"Identity", "Cast",       "Transpose",      "Reshape",
                               "Squeeze",  "Unsqueeze",  "QuantizeLinear", "DequantizeLinear",
                               "Sqrt",     "Reciprocal", "ConstantOfShape"};
  return kNames;
}

// Between the scores and their softmax, or that and the second product.
const Names& passed_on() {
  static const Names kNames = {"Mul",
                               "Div",
                               "Add",
                               "Where",
                               "Cast",
                               "Identity",
                               "Dropout",
                               "Reshape",
                               "Squeeze",
                               "Unsqueeze",
                               "IsNaN",
                               "Expand",
                               "Transpose",
                               "GatherElements",
                               "Clip",
                               "QuantizeLinear",
                               "DequantizeLinear"};
  return kNames;
}

bool is_move(const NodeProto& node) {
  static const Names kNames = {"Identity",  "Transpose", "Reshape", "Squeeze",
                               "Unsqueeze", "Cast",      "Flatten"};
  return kNames.contains(node.op_type);
}

template <typename T, typename Decode>
FileGraph::Range range_by(std::span<const std::byte> bytes, const Decode& decode) {
  FileGraph::Range range{INFINITY, -INFINITY, false};
  for (size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    T stored;
    std::memcpy(&stored, bytes.data() + at, sizeof(T));
    const auto value = static_cast<double>(decode(stored));
    range.has_nan = range.has_nan || std::isnan(value);
    range.low = std::min(range.low, value);
    range.high = std::max(range.high, value);
  }
  return range;
}

template <typename T>
FileGraph::Range range_as(std::span<const std::byte> bytes) {
  return range_by<T>(bytes, [](T value) { return value; });
}

}  // namespace

const std::string& input_of(const NodeProto& node, size_t i) {
  static const std::string kNone;
  return i < node.inputs.size() ? node.inputs[i] : kNone;
}

const std::string& output_of(const NodeProto& node, size_t i) {
  static const std::string kNone;
  return i < node.outputs.size() ? node.outputs[i] : kNone;
}

void add_inputs(const NodeProto& node, std::vector<std::string>& names) {
  names.insert(names.end(), node.inputs.begin(), node.inputs.end());
  for (const AttributeProto& attribute : node.attributes) {
    for (const GraphProto& branch : attribute.graphs) {
      for (const NodeProto& inner : branch.nodes) add_inputs(inner, names);
      for (const ValueProto& output : branch.outputs) names.push_back(output.name);
    }
  }
}

namespace {

// Which node makes each value; the first, of several.
std::unordered_map<std::string_view, size_t> makers_of(const GraphProto& graph) {
  std::unordered_map<std::string_view, size_t> makers;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string& name : graph.nodes[i].outputs) makers.try_emplace(name, i);
  }
  return makers;
}

// Which nodes wait for which.
struct Waiting {
  std::vector<std::vector<size_t>> behind;  // each node's readers
  std::vector<int> missing;                 // inputs that are not made yet
};

Waiting waiting_nodes(const GraphProto& graph) {
  const auto makers = makers_of(graph);
  Waiting waiting = {std::vector<std::vector<size_t>>(graph.nodes.size()),
                     std::vector<int>(graph.nodes.size(), 0)};
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    std::vector<std::string> names;
    add_inputs(graph.nodes[i], names);
    for (const std::string& name : names) {
      const auto maker = makers.find(name);
      if (name.empty() || maker == makers.end()) continue;
      waiting.behind[maker->second].push_back(i);
      ++waiting.missing[i];
    }
  }
  return waiting;
}

}  // namespace

std::vector<size_t> run_order(const GraphProto& graph) {
  Waiting waiting = waiting_nodes(graph);
  std::set<size_t> ready;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (waiting.missing[i] == 0) ready.insert(i);
  }
  std::vector<size_t> order;
  while (!ready.empty()) {
    const size_t next = *ready.begin();
    ready.erase(ready.begin());
    order.push_back(next);
    for (const size_t reader : waiting.behind[next]) {
      if (--waiting.missing[reader] == 0) ready.insert(reader);
    }
  }
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (waiting.missing[i] > 0) order.push_back(i);
  }
  return order;
}

std::vector<bool> nodes_behind(const GraphProto& graph, std::vector<std::string> names) {
  const auto makers = makers_of(graph);
  std::vector<bool> found(graph.nodes.size(), false);
  while (!names.empty()) {
    const auto maker = makers.find(names.back());
    names.pop_back();
    if (maker == makers.end() || found[maker->second]) continue;
    found[maker->second] = true;
    add_inputs(graph.nodes[maker->second], names);
  }
  return found;
}

std::vector<bool> nodes_of_other_outputs(const GraphProto& graph,
                                         std::span<const std::string> answers) {
  std::vector<std::string> others;
  for (const ValueProto& output : graph.outputs) {
    if (std::ranges::find(answers, output.name) == answers.end()) others.push_back(output.name);
  }
  std::vector<bool> found = nodes_behind(graph, std::move(others));
  const std::vector<bool> needed = nodes_behind(graph, {answers.begin(), answers.end()});
  for (size_t i = 0; i < found.size(); ++i) found[i] = found[i] && !needed[i];
  return found;
}

FileGraph::FileGraph(const GraphProto& graph) {
  for (const TensorProto& tensor : graph.initializers) tensors_[tensor.name] = &tensor;
  for (const NodeProto& node : graph.nodes) {
    for (const std::string& output : node.outputs) {
      if (!output.empty()) makers_[output] = &node;
    }
    for (const std::string& input : node.inputs) {
      if (!input.empty()) readers_[input].push_back(&node);
    }
    const AttributeProto* value = node.attribute("value");
    const bool constant = node.op_type == "Constant" && value != nullptr;
    if (constant && !value->tensors.empty() && !node.outputs.empty()) {
      tensors_[node.outputs[0]] = &value->tensors[0];
    }
    // Nodes stand in the order in which they run, so one look at each is enough.
    const bool follows = node.op_type == "Constant" ||
                         (folded().contains(node.op_type) &&
                          std::ranges::all_of(node.inputs, [this](const std::string& input) {
                            return is_constant(input);
                          }));
    if (follows) constants_.insert(node.outputs.begin(), node.outputs.end());
  }
}

const NodeProto* FileGraph::maker(const std::string& value) const {
  const auto found = makers_.find(value);
  return found == makers_.end() ? nullptr : found->second;
}

const std::vector<const NodeProto*>& FileGraph::readers(const std::string& value) const {
  static const std::vector<const NodeProto*> kNone;
  const auto found = readers_.find(value);
  return found == readers_.end() ? kNone : found->second;
}

const NodeProto* FileGraph::next_of(const NodeProto& node, std::string_view op) const {
  std::set<const NodeProto*> seen;
  std::vector<const NodeProto*> ahead = {&node};
  while (!ahead.empty()) {
    const NodeProto* at = ahead.back();
    ahead.pop_back();
    if (at->outputs.empty()) continue;
    for (const NodeProto* reader : readers(at->outputs[0])) {
      if (reader->op_type == op) return reader;
      if (passed_on().contains(reader->op_type) && seen.insert(reader).second) {
        ahead.push_back(reader);
      }
    }
  }
  return nullptr;
}

const TensorProto* FileGraph::constant(const std::string& value) const {
  std::string name = value;
  for (int step = 0; step < kMostSteps; ++step) {
    const auto found = tensors_.find(name);
    if (found != tensors_.end()) return found->second;
    const NodeProto* node = maker(name);
    if (node == nullptr || node->op_type != "Identity" || node->inputs.empty()) return nullptr;
    name = node->inputs[0];
  }
  return nullptr;
}

bool FileGraph::is_constant(const std::string& value) const {
  return value.empty() || tensors_.contains(value) || constants_.contains(value);
}

const NodeProto* FileGraph::dequantizer(const std::string& value) const {
  std::string name = value;
  for (int step = 0; step < kMostSteps; ++step) {
    const NodeProto* node = maker(name);
    if (node == nullptr || node->inputs.empty()) return nullptr;
    if (node->op_type == "DequantizeLinear") return node;
    if (!is_move(*node)) return nullptr;
    name = node->inputs[0];
  }
  return nullptr;
}

bool FileGraph::comes_from_product(const std::string& value) const {
  std::string name = value;
  for (int step = 0; step < kMostSteps; ++step) {
    const NodeProto* node = maker(name);
    if (node == nullptr || node->inputs.empty()) return false;
    if (node->op_type == "Gemm") return true;
    if (node->op_type == "MatMul") return node->inputs.size() > 1 && is_constant(node->inputs[1]);
    const bool bias = node->op_type == "Add" && node->inputs.size() == 2 &&
                      is_constant(node->inputs[0]) != is_constant(node->inputs[1]);
    if (!bias && node->op_type != "Identity" && node->op_type != "Cast") return false;
    name = bias && is_constant(node->inputs[0]) ? node->inputs[1] : node->inputs[0];
  }
  return false;
}

std::optional<double> FileGraph::number(const std::string& value) const {
  const TensorProto* tensor = constant(value);
  if (tensor == nullptr) return std::nullopt;
  const auto range = range_of(*tensor);
  if (!range || range->low != range->high) return std::nullopt;
  return range->low;
}

ElementType FileGraph::type_of(const std::string& value) const {
  const TensorProto* tensor = constant(value);
  return tensor == nullptr ? ElementType::kUndefined : tensor->type;
}

std::optional<FileGraph::Range> FileGraph::range_of(const TensorProto& tensor) {
  if (tensor.bytes.empty()) return std::nullopt;
  switch (tensor.type) {
    case ElementType::kFloat:
      return range_as<float>(tensor.bytes);
    case ElementType::kDouble:
      return range_as<double>(tensor.bytes);
    case ElementType::kFloat16:
      return range_by<uint16_t>(tensor.bytes, f16_to_float);
    case ElementType::kBfloat16:
      return range_by<uint16_t>(tensor.bytes, bf16_to_float);
    case ElementType::kInt8:
      return range_as<int8_t>(tensor.bytes);
    case ElementType::kUint8:
      return range_as<uint8_t>(tensor.bytes);
    case ElementType::kInt32:
      return range_as<int32_t>(tensor.bytes);
    case ElementType::kInt64:
      return range_as<int64_t>(tensor.bytes);
    default:
      return std::nullopt;
  }
}

}  // namespace tamis::onnx
