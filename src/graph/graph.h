// The intermediate representation: a list of SSA nodes over values of symbolic shape.
//
// Is: what models build, passes rewrite and engines run. A value type; copying it copies no
// weights. Is not: executable, or tied to a target. May use: tensor.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "graph/attributes.h"
#include "graph/op.h"
#include "graph/quantizer.h"
#include "graph/symbolic_shape.h"
#include "tensor/tensor.h"

namespace tamis::graph {

using ValueId = int32_t;
/// Stands for an optional input that is not there.
inline constexpr ValueId kNoValue = -1;

/// A graph input, a constant, or a node's output.
struct Value {
  std::string name;  ///< unique in the graph; fixed once added
  DType dtype = DType::kF32;
  SymbolicShape shape;
  std::shared_ptr<const Tensor> constant;  ///< set for constants only
};

struct Node {
  OpKind op = OpKind::kAdd;
  std::vector<ValueId>
      inputs;  ///< in the order of the op's operands; absent ones at the end are left out
  ValueId output = kNoValue;
  Attributes attributes;
  std::string scope;  ///< the Hugging Face module path this came from
  std::vector<Quantizer> quantizers;

  /// The value that the operand is; kNoValue if it is absent or the op has none of that name.
  [[nodiscard]] ValueId operand(Operand operand) const;
  [[nodiscard]] bool has(Operand operand) const { return this->operand(operand) != kNoValue; }
  /// Makes the operand that value, or takes it away (kNoValue). The op must have it.
  void set_operand(Operand operand, ValueId value);
  /// The first mark on the operand, nullptr if there is none.
  [[nodiscard]] const Quantizer* mark(Operand operand) const;
  /// The first mark on the operand that is on.
  [[nodiscard]] const Quantizer* enabled_mark(Operand operand) const;

  template <typename T>
  [[nodiscard]] const T& attribute() const {
    return std::get<T>(attributes);
  }
};

/// MatMul or QuantizedMatMul.
[[nodiscard]] inline bool is_matmul(const Node& node) {
  return node.op == OpKind::kMatMul || node.op == OpKind::kQuantizedMatMul;
}

/// A product of rows with a weight: MatMul, QuantizedMatMul or ExpertMatMul.
[[nodiscard]] inline bool is_linear(const Node& node) {
  return is_matmul(node) || node.op == OpKind::kExpertMatMul;
}

/// Whether the op is one of a mixture of experts.
[[nodiscard]] constexpr bool is_of_experts(OpKind op) {
  return op == OpKind::kRouteTokens || op == OpKind::kExpertMatMul || op == OpKind::kCombineExperts;
}

class Graph;
/// Whether `ids` are of the vocabulary: input_ids, or these moved by ShiftIds.
[[nodiscard]] bool are_word_ids(const Graph& graph, ValueId ids);

/// Takes the integer operands of a QuantizedMatMul away, and its op, or those of an ExpertMatMul;
/// its weight must be F32 by then, or become it.
void make_float_matmul(Node& node);

/// Whether the node is a product whose weight is floats.
[[nodiscard]] inline bool is_float_linear(const Node& node) {
  return node.op == OpKind::kMatMul ||
         (node.op == OpKind::kExpertMatMul && !node.has(Operand::kWeightScale));
}

/// Whether the node is a product whose weight is integers.
[[nodiscard]] inline bool has_integer_weight(const Node& node) {
  return node.op == OpKind::kQuantizedMatMul ||
         (node.op == OpKind::kExpertMatMul && node.has(Operand::kWeightScale));
}

struct GraphOutput {
  std::string name;  ///< token_embeddings, sentence_embedding, logits
  ValueId value = kNoValue;
};

/// Names of the graph's inputs: int32[T] each.
inline constexpr std::string_view kInputIds = "input_ids";
inline constexpr std::string_view kTokenTypeIds = "token_type_ids";

/// Not thread-safe while being changed; const access is safe from any thread.
class Graph {
 public:
  /// Adds a graph input. Names are unique; a taken name gets a suffix "_2", "_3", ...
  ValueId add_input(std::string_view name, DType dtype, const SymbolicShape& shape);
  /// Adds a constant.
  ValueId add_constant(std::string_view name, std::shared_ptr<const Tensor> tensor);
  /// Appends a node and its output value, whose shape follows from the op's rule. Throws
  /// Error{kInvalidArgument} naming the node if the inputs do not fit.
  ValueId add_node(OpKind op, std::vector<ValueId> inputs, Attributes attributes,
                   std::string_view scope, std::string_view name = "");
  /// As add_node(), but before the node that stands at `index` in nodes().
  ValueId insert_node(size_t index, OpKind op, std::vector<ValueId> inputs, Attributes attributes,
                      std::string_view scope, std::string_view name = "");
  void add_output(std::string_view name, ValueId value);
  /// Drops the outputs that are not named; nodes that only they need stay until remove_dead(). None
  /// named: all outputs stay. Throws Error{kNotFound} for a name that is no output.
  void keep_outputs(std::span<const std::string> names);

  [[nodiscard]] const Value& value(ValueId id) const { return values_[static_cast<size_t>(id)]; }
  [[nodiscard]] Value& value(ValueId id) { return values_[static_cast<size_t>(id)]; }
  [[nodiscard]] size_t value_count() const { return values_.size(); }
  /// In an order in which every node stands after what it reads.
  [[nodiscard]] const std::vector<Node>& nodes() const { return nodes_; }
  [[nodiscard]] std::vector<Node>& nodes() { return nodes_; }
  [[nodiscard]] const std::vector<ValueId>& inputs() const { return inputs_; }
  [[nodiscard]] const std::vector<GraphOutput>& outputs() const { return outputs_; }
  [[nodiscard]] std::vector<GraphOutput>& outputs() { return outputs_; }

  [[nodiscard]] bool is_constant(ValueId id) const {
    return id != kNoValue && value(id).constant != nullptr;
  }
  /// The index in nodes() of the node that makes the value, -1 for inputs and constants.
  [[nodiscard]] int producer(ValueId id) const;
  /// Indices in nodes() of the nodes that read the value, each once, in order.
  [[nodiscard]] std::vector<int> consumers(ValueId id) const;
  [[nodiscard]] bool is_output(ValueId id) const;
  [[nodiscard]] ValueId find_value(std::string_view name) const;

  /// Drops nodes that no output needs, then values nothing names (ids change). True if anything
  /// went.
  bool remove_dead();

 private:
  std::string unique_name(std::string_view wanted) const;
  ValueId add_value(Value value);

  std::vector<Value> values_;
  std::unordered_map<std::string, ValueId> by_name_;
  std::vector<Node> nodes_;
  std::vector<ValueId> inputs_;
  std::vector<GraphOutput> outputs_;
};

/// Names the arithmetic of every Attention.
void set_attention_arithmetic(Graph& graph, FloatArithmetic arithmetic);

/// What a node's output is: the shape rule of its op (infer_shapes.cc). Throws
/// Error{kInvalidArgument}: "<op> at <scope>: ...".
struct ValueType {
  DType dtype;
  SymbolicShape shape;
};
[[nodiscard]] ValueType infer_output(const Graph& graph, const Node& node);

/// Checks order, single definition, arity, attributes, shapes, marks and names. Throws
/// Error{kInvalidArgument} naming the node.
void verify(const Graph& graph);

/// The text form, one line a value; constants by name only. parse_graph() reads it back.
[[nodiscard]] std::string print(const Graph& graph);

/// Gives the tensor of a constant named in a graph text; nullptr if there is none.
using ConstantSource = std::shared_ptr<const Tensor> (*)(void* context, std::string_view name);

/// Reads the text form. Constants come from `constants`; one that is missing or of another shape or
/// dtype is Error{kCorruptData}, as is anything that does not parse or verify: "<source>:<line>:
/// ...".
[[nodiscard]] Graph parse_graph(std::string_view text, std::string_view source,
                                ConstantSource constants, void* context);

}  // namespace tamis::graph
