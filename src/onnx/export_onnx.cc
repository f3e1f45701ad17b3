#include "onnx/export_onnx.h"

#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "tensor/widened.h"

namespace tamis::onnx {

using graph::Graph;
using graph::kNoValue;
using graph::Node;
using graph::Operand;
using graph::OpKind;
using graph::ValueId;

namespace {

// Old enough for every runtime in use, new enough for LayerNormalization.
constexpr int64_t kOpset = 17;
constexpr int64_t kIrVersion = 8;

constexpr std::string_view kMask = "attention_mask";
constexpr std::string_view kBatch = "batch_size";
constexpr std::string_view kTokens = "sequence_length";

AttributeProto integer_attribute(std::string_view name, int64_t value) {
  AttributeProto attribute;
  attribute.name = name;
  attribute.kind = AttributeKind::kInt;
  attribute.integer = value;
  return attribute;
}

AttributeProto list_attribute(std::string_view name, std::vector<int64_t> values) {
  AttributeProto attribute;
  attribute.name = name;
  attribute.kind = AttributeKind::kInts;
  attribute.integers = std::move(values);
  return attribute;
}

AttributeProto number_attribute(std::string_view name, float value) {
  AttributeProto attribute;
  attribute.name = name;
  attribute.kind = AttributeKind::kFloat;
  attribute.number = value;
  return attribute;
}

DimProto named_dim(std::string_view name) { return {std::nullopt, std::string(name)}; }
DimProto fixed_dim(int64_t size) { return {size, ""}; }

// "/bert/encoder/layer.0/output" of "bert.encoder.layer.0.output": numbers stay with their list.
std::string path_of(std::string_view scope) {
  std::string path;
  size_t at = 0;
  while (at < scope.size()) {
    const size_t dot = std::min(scope.find('.', at), scope.size());
    const std::string_view part = scope.substr(at, dot - at);
    const bool number = !part.empty() && part.find_first_not_of("0123456789") == part.npos;
    path += cat(number && at != 0 ? "." : "/", part);
    at = dot + 1;
  }
  return path;
}

class Exporter {
 public:
  Exporter(const Graph& graph, const ExportOptions& options) : graph_(graph), options_(options) {}

  ModelProto make() {
    model_.ir_version = kIrVersion;
    model_.opsets = {{"", kOpset}};
    model_.producer_name = "tamis";
    model_.graph.name = "main_graph";
    add_inputs();
    for (const Node& node : graph_.nodes()) write_node(node);
    for (const graph::GraphOutput& output : graph_.outputs()) write_output(output);
    return std::move(model_);
  }

 private:
  // Graph under construction

  std::string fresh(std::string_view path) {
    const int number = names_[std::string(path)]++;
    return number == 0 ? std::string(path) : cat(path, "_", number);
  }

  std::string add(std::string_view scope, std::string_view op, std::vector<std::string> inputs,
                  std::vector<AttributeProto> attributes = {}) {
    NodeProto node;
    node.name = fresh(cat(path_of(scope), "/", op));
    node.op_type = op;
    node.inputs = std::move(inputs);
    node.outputs = {node.name + "_output_0"};
    node.attributes = std::move(attributes);
    model_.graph.nodes.push_back(std::move(node));
    return model_.graph.nodes.back().outputs[0];
  }

  std::string add_tensor(std::string name, std::vector<int64_t> dims, ElementType type,
                         std::span<const std::byte> bytes, std::shared_ptr<const void> keeper) {
    TensorProto tensor;
    tensor.name = std::move(name);
    tensor.dims = std::move(dims);
    tensor.type = type;
    tensor.bytes = bytes;
    tensor.keeper = std::move(keeper);
    model_.graph.initializers.push_back(std::move(tensor));
    return model_.graph.initializers.back().name;
  }

  template <typename T>
  std::string add_values(std::string name, std::vector<int64_t> dims, ElementType type,
                         std::vector<T> values) {
    if (!constants_.insert(name).second) return name;
    const auto kept = std::make_shared<const std::vector<T>>(std::move(values));
    return add_tensor(std::move(name), std::move(dims), type, std::as_bytes(std::span(*kept)),
                      kept);
  }

  std::string number(double value) {
    const auto narrow = static_cast<float>(value);
    return add_values<float>(cat("number_", narrow), {}, ElementType::kFloat, {narrow});
  }
  std::string integer(int64_t value) {
    return add_values<int64_t>(cat("integer_", value), {}, ElementType::kInt64, {value});
  }
  std::string list(const std::vector<int64_t>& values) {
    std::string name = "list";
    for (const int64_t value : values) name += cat("_", value);
    return add_values<int64_t>(name, {static_cast<int64_t>(values.size())}, ElementType::kInt64,
                               values);
  }

  std::string constant(ValueId id) {
    const graph::Value& value = graph_.value(id);
    if (!constants_.insert(value.name).second) return value.name;
    // Float operators take operands of one type: what is stored shorter is written as float32.
    const bool floats = is_stored_float(value.dtype);
    const auto tensor = floats ? widened(value.constant) : value.constant;
    const auto sizes = tensor->shape().sizes();
    return add_tensor(value.name, {sizes.begin(), sizes.end()}, element_type_of(tensor->dtype()),
                      {tensor->view().data(), tensor->size_bytes()}, tensor);
  }

  // Rows of integers are written multiplied out.
  std::string table(const Node& node) {
    const graph::Value& rows = graph_.value(node.operand(Operand::kTable));
    if (!node.has(Operand::kWeightScale)) return constant(node.operand(Operand::kTable));
    if (!constants_.insert(rows.name).second) return rows.name;
    const auto floats = std::make_shared<const Tensor>(multiplied_out(
        *rows.constant, *graph_.value(node.operand(Operand::kWeightScale)).constant));
    const auto sizes = floats->shape().sizes();
    return add_tensor(rows.name, {sizes.begin(), sizes.end()}, element_type_of(DType::kF32),
                      {floats->view().data(), floats->size_bytes()}, floats);
  }

  std::string value(ValueId id) { return graph_.is_constant(id) ? constant(id) : written_.at(id); }
  std::string operand(const Node& node, Operand operand) { return value(node.operand(operand)); }

  [[nodiscard]] int64_t columns(ValueId id) const { return graph_.value(id).shape[1].size; }
  [[nodiscard]] bool has_tokens(ValueId id) const {
    return graph_.value(id).shape[0].symbol != graph::Symbol::kSequences;
  }

  template <typename... Parts>
  [[noreturn]] void refuse(const Node& node, const Parts&... parts) const {
    fail(ErrorCode::kUnsupported, "ONNX: ", op_name(node.op), " at \"", node.scope,
         "\": ", parts...);
  }

  void add_inputs() {
    for (const ValueId id : graph_.inputs()) {
      written_[id] = graph_.value(id).name;
      add_input(graph_.value(id).name);
      if (graph_.value(id).name == graph::kInputIds) add_input(kMask);
    }
  }
  void add_input(std::string_view name) {
    model_.graph.inputs.push_back(
        {std::string(name), ElementType::kInt64, {{named_dim(kBatch), named_dim(kTokens)}}, ""});
  }

  // Ops

  void write_node(const Node& node) { written_[node.output] = write(node); }

  std::string write(const Node& node) {
    switch (node.op) {
      case OpKind::kPositionIds:
        return write_positions(node);
      case OpKind::kGather:
        return add(node.scope, "Gather", {table(node), operand(node, Operand::kIds)});
      case OpKind::kSelectTokens:
        return operand(node, Operand::kX);
      case OpKind::kAdd:
        return add(node.scope, "Add", {operand(node, Operand::kX), operand(node, Operand::kY)});
      case OpKind::kMul:
        return write_mul(node);
      case OpKind::kActivation:
        return write_activation(node);
      case OpKind::kMatMul:
        return write_matmul(node);
      case OpKind::kLayerNormalization:
        return write_norm(node);
      case OpKind::kTokenNormalize:
        return write_unit_length(node.scope, operand(node, Operand::kX));
      case OpKind::kAttentionScores:
        return write_scores(node);
      case OpKind::kSoftmax:
        return add(node.scope, "Softmax",
                   {add(node.scope, "Add", {operand(node, Operand::kScores), mask()})},
                   {integer_attribute("axis", -1)});
      case OpKind::kAttentionContext:
        return write_context(node);
      case OpKind::kSequencePool:
        return write_pool(node);
      default:
        refuse(node, "is not written; unfused graphs of BERT's relatives are");
    }
  }

  std::string write_positions(const Node& node) {
    const auto& rule = node.attribute<graph::PositionIdsAttributes>();
    const std::string ids = operand(node, Operand::kIds);
    const std::string& scope = node.scope;
    if (rule.rule == graph::PositionRule::kAbsolute) {
      const std::string shape = add(scope, "Shape", {ids});
      const std::string tokens = add(scope, "Gather", {shape, integer(1)});
      const std::string row = add(scope, "Range", {integer(0), tokens, integer(1)});
      return add(scope, "Unsqueeze", {row, list({0})});
    }
    const std::string padding = integer(rule.padding_idx);
    const std::string is_token = add(scope, "Not", {add(scope, "Equal", {ids, padding})});
    const std::string ones =
        add(scope, "Cast", {is_token},
            {integer_attribute("to", static_cast<int64_t>(ElementType::kInt64))});
    const std::string count = add(scope, "CumSum", {ones, integer(1)});
    return add(scope, "Add", {add(scope, "Mul", {count, ones}), padding});
  }

  // What padding adds to scores: 0 for tokens.
  std::string mask() {
    if (!mask_.empty()) return mask_;
    const std::string wide = add("", "Unsqueeze", {std::string(kMask), list({1, 2})});
    const std::string ones = add(
        "", "Cast", {wide}, {integer_attribute("to", static_cast<int64_t>(ElementType::kFloat))});
    const std::string padding = add("", "Sub", {number(1), ones});
    mask_ = add("", "Mul", {padding, number(-3.4028234663852886e38)});
    return mask_;
  }

  std::string write_mul(const Node& node) {
    return add(node.scope, "Mul", {operand(node, Operand::kX), operand(node, Operand::kY)});
  }

  std::string write_activation(const Node& node) {
    const std::string x = operand(node, Operand::kX);
    const std::string& s = node.scope;
    switch (node.attribute<graph::ActivationAttributes>().activation) {
      case Activation::kNone:
        return x;
      case Activation::kGelu: {
        const std::string erf = add(s, "Erf", {add(s, "Div", {x, number(M_SQRT2)})});
        const std::string twice = add(s, "Mul", {x, add(s, "Add", {erf, number(1)})});
        return add(s, "Mul", {twice, number(0.5)});
      }
      case Activation::kGeluTanh: {
        const std::string cube = add(s, "Mul", {add(s, "Pow", {x, number(3)}), number(0.044715)});
        const std::string inner =
            add(s, "Mul", {add(s, "Add", {x, cube}), number(std::sqrt(2 / M_PI))});
        const std::string bent = add(s, "Add", {add(s, "Tanh", {inner}), number(1)});
        return add(s, "Mul", {add(s, "Mul", {x, number(0.5)}), bent});
      }
      case Activation::kQuickGelu:
        return add(s, "Mul", {x, add(s, "Sigmoid", {add(s, "Mul", {x, number(1.702)})})});
      case Activation::kRelu:
        return add(s, "Relu", {x});
      case Activation::kRelu2: {
        const std::string relu = add(s, "Relu", {x});
        return add(s, "Mul", {relu, relu});
      }
      case Activation::kSilu:
        return add(s, "Mul", {x, add(s, "Sigmoid", {x})});
      case Activation::kTanh:
        return add(s, "Tanh", {x});
      case Activation::kSigmoid:
        return add(s, "Sigmoid", {x});
      case Activation::kMish:
        return add(s, "Mul", {x, add(s, "Tanh", {add(s, "Softplus", {x})})});
      default:
        refuse(node, "its activation is not written");
    }
  }

  std::string write_matmul(const Node& node) {
    const auto& fields = node.attribute<graph::MatMulAttributes>();
    if (node.has(Operand::kBias) || node.has(Operand::kResidual) ||
        fields.activation != Activation::kNone) {
      refuse(node, "is fused; the graph before passes is written");
    }
    // The weight stays as it is, [n, k]; runtimes turn it when they load the file.
    const std::string weight = operand(node, Operand::kWeight);
    std::string& turned = turned_[weight];
    if (turned.empty()) {
      turned = add(node.scope, "Transpose", {weight}, {list_attribute("perm", {1, 0})});
    }
    return add(node.scope, "MatMul", {operand(node, Operand::kX), turned});
  }

  std::string write_norm(const Node& node) {
    std::vector<std::string> inputs = {operand(node, Operand::kX), operand(node, Operand::kGamma)};
    if (node.has(Operand::kBeta)) inputs.push_back(operand(node, Operand::kBeta));
    return add(node.scope, "LayerNormalization", std::move(inputs),
               {integer_attribute("axis", -1),
                number_attribute("epsilon", node.attribute<graph::LayerNormAttributes>().epsilon)});
  }

  void check_attention(const Node& node) const {
    graph::AttentionAttributes plain;
    plain.heads = node.attribute<graph::AttentionAttributes>().heads;
    if (!(node.attribute<graph::AttentionAttributes>() == plain)) {
      refuse(node, "windows, biases, shared keys, factors and bf16 are not written");
    }
  }

  // [batch, heads, tokens, size], or keys' [batch, heads, size, tokens].
  std::string split_heads(const Node& node, Operand of, std::vector<int64_t> perm) {
    const int64_t heads = node.attribute<graph::AttentionAttributes>().heads;
    const int64_t size = columns(node.operand(of)) / heads;
    const std::string split =
        add(node.scope, "Reshape", {operand(node, of), list({0, 0, heads, size})});
    return add(node.scope, "Transpose", {split}, {list_attribute("perm", std::move(perm))});
  }

  std::string write_scores(const Node& node) {
    check_attention(node);
    if (node.has(Operand::kBias) || node.has(Operand::kPositionKeys)) {
      refuse(node, "a bias of positions is not written");
    }
    const std::string q = split_heads(node, Operand::kQ, {0, 2, 1, 3});
    return add(node.scope, "MatMul", {q, split_heads(node, Operand::kK, {0, 2, 3, 1})});
  }

  std::string write_context(const Node& node) {
    check_attention(node);
    const std::string v = split_heads(node, Operand::kV, {0, 2, 1, 3});
    const std::string context =
        add(node.scope, "MatMul", {operand(node, Operand::kProbabilities), v});
    const std::string tokens =
        add(node.scope, "Transpose", {context}, {list_attribute("perm", {0, 2, 1, 3})});
    return add(node.scope, "Reshape", {tokens, list({0, 0, columns(node.output)})});
  }

  std::string write_pool(const Node& node) {
    const std::string x = operand(node, Operand::kX);
    const auto& modes = node.attribute<graph::PoolAttributes>().modes;
    if (modes == std::vector{graph::PoolMode::kCls}) {
      return add(node.scope, "Gather", {x, integer(0)}, {integer_attribute("axis", 1)});
    }
    if (modes != std::vector{graph::PoolMode::kMean}) {
      refuse(node, "pooling other than by mean or first token is not written");
    }
    const std::string mask =
        add(node.scope, "Cast", {add(node.scope, "Unsqueeze", {std::string(kMask), list({-1})})},
            {integer_attribute("to", static_cast<int64_t>(ElementType::kFloat))});
    const std::string sum =
        add(node.scope, "ReduceSum", {add(node.scope, "Mul", {x, mask}), list({1})},
            {integer_attribute("keepdims", 0)});
    const std::string count =
        add(node.scope, "ReduceSum", {mask, list({1})}, {integer_attribute("keepdims", 0)});
    return add(node.scope, "Div", {sum, add(node.scope, "Clip", {count, number(1e-9)})});
  }

  // Rows over their L2 norm.
  std::string write_unit_length(std::string_view scope, const std::string& x) {
    const std::string length = add(
        scope, "ReduceL2", {x}, {list_attribute("axes", {-1}), integer_attribute("keepdims", 1)});
    return add(scope, "Div", {x, add(scope, "Clip", {length, number(1e-12)})});
  }

  // Outputs

  void write_output(const graph::GraphOutput& output) {
    const bool plain = options_.output == OutputKind::kTokenEmbeddings;
    if (plain && output.name != "token_embeddings") return;
    std::string result = written_.at(output.value);
    if (options_.output == OutputKind::kSpanLogits) return write_spans(result);
    if (options_.unit_length && output.name == "sentence_embedding") {
      result = write_unit_length("", result);
    }
    std::vector<DimProto> dims = {named_dim(kBatch)};
    if (has_tokens(output.value)) dims.push_back(named_dim(kTokens));
    dims.push_back(fixed_dim(columns(output.value)));
    name_output(result, plain ? "last_hidden_state" : output.name, std::move(dims));
  }

  void write_spans(const std::string& logits) {
    for (const auto& [name, column] : {std::pair("start_logits", 0), std::pair("end_logits", 1)}) {
      const std::string part =
          add("", "Gather", {logits, integer(column)}, {integer_attribute("axis", -1)});
      name_output(part, name, {named_dim(kBatch), named_dim(kTokens)});
    }
  }

  void name_output(const std::string& from, const std::string& name, std::vector<DimProto> dims) {
    NodeProto node;
    node.name = cat("/", name);
    node.op_type = "Identity";
    node.inputs = {from};
    node.outputs = {name};
    model_.graph.nodes.push_back(std::move(node));
    model_.graph.outputs.push_back({name, ElementType::kFloat, std::move(dims), ""});
  }

  const Graph& graph_;
  const ExportOptions& options_;
  ModelProto model_;
  std::unordered_map<std::string, int> names_;
  std::unordered_map<ValueId, std::string> written_;
  std::unordered_map<std::string, std::string> turned_;  // weights [n, k] as [k, n]
  std::unordered_set<std::string> constants_;
  std::string mask_;
};

}  // namespace

ModelProto export_onnx(const Graph& graph, const ExportOptions& options) {
  return Exporter(graph, options).make();
}

}  // namespace tamis::onnx
