// Who makes and who reads each value of a file's graph.
//
// Is: an index for rules on files (check_tensorrt.h), and the order that import reads nodes in. Is
// not: an evaluation; the graph outlives it. May use: formats.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "onnx/evaluate/array.h"

namespace tamis::onnx {

/// An input or output of a file's node; empty where it has none there.
[[nodiscard]] const std::string& input_of(const NodeProto& node, size_t i);
[[nodiscard]] const std::string& output_of(const NodeProto& node, size_t i);

/// Adds what the node reads, in its branches too.
void add_inputs(const NodeProto& node, std::vector<std::string>& names);

/// The graph's nodes in the file's order, but each behind those that make what it or a branch of it
/// reads. ONNX asks files to be so; ONNX Runtime's quantizers forget what branches read. Nodes that
/// wait for each other come last.
[[nodiscard]] std::vector<size_t> run_order(const GraphProto& graph);

/// Of each node, whether one of these values follows from it.
[[nodiscard]] std::vector<bool> nodes_behind(const GraphProto& graph,
                                             std::vector<std::string> names);

/// Of each node, whether it is made for outputs that are none of `answers` alone: nothing else
/// needs it, so that it need not be understood.
[[nodiscard]] std::vector<bool> nodes_of_other_outputs(const GraphProto& graph,
                                                       std::span<const std::string> answers);

class FileGraph {
 public:
  explicit FileGraph(const GraphProto& graph);

  /// The node that makes the value; null for inputs and initializers.
  [[nodiscard]] const NodeProto* maker(const std::string& value) const;
  [[nodiscard]] const std::vector<const NodeProto*>& readers(const std::string& value) const;
  /// The next node of that operator behind `node`, where only moves, casts, pairs, factors and
  /// masks lie between; null if there is none.
  [[nodiscard]] const NodeProto* next_of(const NodeProto& node, std::string_view op) const;

  /// An initializer or a Constant, behind Identity too; null for others.
  [[nodiscard]] const TensorProto* constant(const std::string& value) const;
  /// Whether it follows from constants alone, also behind DequantizeLinear, Transpose and the like;
  /// true for an input that is left out.
  [[nodiscard]] bool is_constant(const std::string& value) const;
  /// The DequantizeLinear that made it, whatever moves or casts it afterwards; null if none did.
  [[nodiscard]] const NodeProto* dequantizer(const std::string& value) const;
  [[nodiscard]] bool is_dequantized(const std::string& value) const {
    return dequantizer(value) != nullptr;
  }
  /// A product's output, with its bias or without.
  [[nodiscard]] bool comes_from_product(const std::string& value) const;
  /// The one number of a constant.
  [[nodiscard]] std::optional<double> number(const std::string& value) const;
  /// Of a constant; kUndefined for others.
  [[nodiscard]] ElementType type_of(const std::string& value) const;

  struct Range {
    double low = 0;
    double high = 0;
    bool has_nan = false;
  };
  /// Of the elements of a tensor of numbers; nothing for others, and for none.
  [[nodiscard]] static std::optional<Range> range_of(const TensorProto& tensor);

 private:
  std::unordered_map<std::string, const NodeProto*> makers_;
  std::unordered_map<std::string, std::vector<const NodeProto*>> readers_;
  std::unordered_map<std::string, const TensorProto*> tensors_;
  std::unordered_set<std::string> constants_;  ///< made by nodes
};

}  // namespace tamis::onnx
