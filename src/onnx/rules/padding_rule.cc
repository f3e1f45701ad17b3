#include "onnx/rules/padding_rule.h"

#include <algorithm>
#include <unordered_set>

#include "onnx/file_graph.h"

namespace tamis::onnx {

namespace {

// Softmax, QLinearSoftmax, and every fused attention of ONNX Runtime's.
bool weighs_tokens(const NodeProto& node) {
  return node.op_type.ends_with("Softmax") || node.op_type.find("Attention") != std::string::npos;
}

// What a node makes of values that follow from a mask; ONNX Runtime's embedding only counts it.
std::span<const std::string> outputs_of_mask(const NodeProto& node) {
  const std::span<const std::string> all(node.outputs);
  return node.op_type.ends_with("EmbedLayerNormalization")
             ? all.subspan(std::min<size_t>(1, all.size()))
             : all;
}

}  // namespace

bool masks_padding(const GraphProto& graph, std::string_view mask,
                   std::span<const std::string> answers) {
  const std::vector<bool> needed = nodes_behind(graph, {answers.begin(), answers.end()});
  std::unordered_set<std::string> of_mask = {std::string(mask)};
  const auto follows = [&of_mask](const std::string& name) {
    return !name.empty() && of_mask.contains(name);
  };
  for (const size_t i : run_order(graph)) {
    const NodeProto& node = graph.nodes[i];
    std::vector<std::string> names;
    add_inputs(node, names);
    if (std::ranges::any_of(names, follows)) {
      const auto made = outputs_of_mask(node);
      of_mask.insert(made.begin(), made.end());
    } else if (needed[i] && weighs_tokens(node)) {
      return false;
    }
  }
  return std::ranges::any_of(answers, follows);
}

}  // namespace tamis::onnx
