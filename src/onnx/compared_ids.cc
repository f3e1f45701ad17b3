#include "onnx/compared_ids.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "graph/graph.h"
#include "onnx/known.h"

namespace tamis::onnx {

namespace {

// The number of a constant of one element: an initializer, or what a Constant makes.
std::optional<int64_t> integer_of(const ModelProto& model, const std::string& name) {
  const auto number = [](const TensorProto& tensor) -> std::optional<int64_t> {
    const Known known(tensor);
    if (is_float(known.type()) || count_of(known.dims()) != 1) return std::nullopt;
    return static_cast<int64_t>(known.at(0)[0]);
  };
  for (const TensorProto& tensor : model.graph.initializers) {
    if (tensor.name == name) return number(tensor);
  }
  for (const NodeProto& node : model.graph.nodes) {
    if (node.op_type != "Constant" || node.outputs.empty() || node.outputs[0] != name) continue;
    for (const AttributeProto& attribute : node.attributes) {
      if (attribute.name == "value" && attribute.tensors.size() == 1) {
        return number(attribute.tensors[0]);
      }
    }
  }
  return std::nullopt;
}

const NodeProto* maker_of(const ModelProto& model, const std::string& name) {
  for (const NodeProto& node : model.graph.nodes) {
    if (std::ranges::find(node.outputs, name) != node.outputs.end()) return &node;
  }
  return nullptr;
}

// The ids, perhaps of another type or with further axes.
bool are_ids(const ModelProto& model, std::string name) {
  constexpr std::string_view kSame[] = {"Cast", "Identity", "Unsqueeze", "Squeeze", "Reshape"};
  for (int steps = 0; steps < 8 && name != graph::kInputIds; ++steps) {
    const NodeProto* maker = maker_of(model, name);
    const bool same = maker != nullptr && !maker->inputs.empty() &&
                      std::ranges::find(kSame, maker->op_type) != std::end(kSame);
    if (!same) return false;
    name = maker->inputs[0];
  }
  return name == graph::kInputIds;
}

// The id that a node compares the ids with.
std::optional<int64_t> id_compared_by(const ModelProto& model, const NodeProto& node) {
  const bool compares =
      node.op_type == "Equal" && node.inputs.size() == 2 && are_ids(model, node.inputs[0]);
  return compares ? integer_of(model, node.inputs[1]) : std::nullopt;
}

}  // namespace

int64_t compared_id(const ModelProto& model) {
  constexpr int64_t kNinth = 9;
  for (const NodeProto& node : model.graph.nodes) {
    const auto id = id_compared_by(model, node);
    if (id && *id > kNinth && *id < (int64_t{1} << 31)) return *id;
  }
  return kNinth;
}

std::vector<int64_t> compared_digits(const ModelProto& model) {
  std::vector<int64_t> ids;
  for (const NodeProto& node : model.graph.nodes) {
    const auto id = id_compared_by(model, node);
    const bool digit = id && *id >= 0 && *id <= 9;
    if (digit && std::ranges::find(ids, *id) == ids.end()) ids.push_back(*id);
  }
  return ids;
}

int64_t placed_id(const ModelProto& model) {
  for (const NodeProto& node : model.graph.nodes) {
    if (node.op_type != "NonZero" || node.inputs.size() != 1) continue;
    const NodeProto* equal = maker_of(model, node.inputs[0]);
    const auto id = equal != nullptr ? id_compared_by(model, *equal) : std::nullopt;
    if (id && *id >= 0 && *id <= INT32_MAX) return *id;
  }
  return -1;
}

}  // namespace tamis::onnx
