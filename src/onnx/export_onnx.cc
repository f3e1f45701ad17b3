#include "onnx/export_onnx.h"

#include <cmath>

#include "onnx/exporter.h"
#include "tensor/widened.h"

namespace tamis::onnx {

using graph::Graph;
using graph::Node;
using graph::Operand;
using graph::OpKind;
using graph::ValueId;

namespace {

// Old enough for every runtime in use, new enough for LayerNormalization; scales in half precision
// came with 19.
constexpr int64_t kOpset = 17;
constexpr int64_t kIrVersion = 8;
constexpr int64_t kHalfOpset = 19;
constexpr int64_t kHalfIrVersion = 9;

constexpr std::string_view kBatch = "batch_size";
constexpr std::string_view kTokens = "sequence_length";

ElementType element_type_of(FloatType type) {
  if (type == FloatType::kFp32) return ElementType::kFloat;
  return type == FloatType::kFp16 ? ElementType::kFloat16 : ElementType::kBfloat16;
}

DimProto named_dim(std::string_view name) { return {std::nullopt, std::string(name)}; }
DimProto fixed_dim(int64_t size) { return {size, ""}; }

}  // namespace

Exporter::Exporter(const Graph& graph, const ExportOptions& options)
    : graph_(graph), options_(options), out_(element_type_of(options.float_type)) {}

int64_t Exporter::opset() const {
  const bool halves =
      options_.float_type != FloatType::kFp32 || options_.flavor == Flavor::kTensorRt;
  return halves ? kHalfOpset : kOpset;
}

ModelProto Exporter::make() {
  ModelProto& model = out_.model();
  model.ir_version = opset() == kHalfOpset ? kHalfIrVersion : kIrVersion;
  model.opsets = {{"", opset()}};
  model.producer_name = "tamis";
  model.graph.name = "main_graph";
  add_inputs();
  for (const Node& node : graph_.nodes()) written_[node.output] = write(node);
  for (const graph::GraphOutput& output : graph_.outputs()) write_output(output);
  TAMIS_CHECK(!model.graph.outputs.empty());
  return std::move(model);
}

std::string Exporter::constant(ValueId id, bool wide) {
  return out_.constant(graph_.value(id).name, graph_.value(id).constant, wide);
}

std::string Exporter::value(ValueId id) {
  return graph_.is_constant(id) ? constant(id) : written_.at(id);
}

std::string Exporter::operand(const Node& node, Operand operand) {
  return through_integers(node, operand, value(node.operand(operand)));
}

void Exporter::add_inputs() {
  for (const ValueId id : graph_.inputs()) {
    written_[id] = graph_.value(id).name;
    add_input(graph_.value(id).name);
    if (graph_.value(id).name == graph::kInputIds) add_input(kMaskInput);
  }
}

void Exporter::add_input(std::string_view name) {
  out_.model().graph.inputs.push_back(
      {std::string(name), ElementType::kInt64, {{named_dim(kBatch), named_dim(kTokens)}}, ""});
}

std::string Exporter::write(const Node& node) {
  if (options_.flavor == Flavor::kTensorRt) check_tensorrt_form(node);
  switch (node.op) {
    case OpKind::kPositionIds:
      return write_positions(node);
    case OpKind::kTokenDropout:
      return write_dropout(node);
    case OpKind::kRotary:
      return write_rotary(node);
    case OpKind::kGather:
      return write_gather(node, Operand::kTable, Operand::kIds);
    case OpKind::kSelectTokens:
      return operand(node, Operand::kX);
    case OpKind::kAdd:
      return write_sum(node);
    case OpKind::kMul:
      return add(node.scope, "Mul", {operand(node, Operand::kX), operand(node, Operand::kY)});
    case OpKind::kActivation:
      return write_activation(node, operand(node, Operand::kX),
                              node.attribute<graph::ActivationAttributes>().activation);
    case OpKind::kGlu:
      return write_gate(node);
    case OpKind::kMatMul:
    case OpKind::kQuantizedMatMul:
      return write_linear(node);
    case OpKind::kLayerNormalization:
      return write_norm(node, out_.widen(node.scope, operand(node, Operand::kX)));
    case OpKind::kSkipLayerNormalization:
      return write_norm(node, out_.widen(node.scope, write_sum(node)));
    case OpKind::kEmbedLayerNormalization:
      return write_norm(node, out_.widen(node.scope, write_embeddings(node)));
    case OpKind::kRMSNormalization:
      return write_rms_norm(node);
    case OpKind::kTokenNormalize: {
      const std::string x = out_.widen(node.scope, operand(node, Operand::kX));
      return out_.narrow(node.scope, write_unit_length(node.scope, x));
    }
    case OpKind::kAttentionScores:
      return write_scores(node, value(node.operand(Operand::kQ)), value(node.operand(Operand::kK)));
    case OpKind::kSoftmax:
      return write_softmax(node);
    case OpKind::kAttentionContext:
      return write_context(node, value(node.operand(Operand::kProbabilities)),
                           value(node.operand(Operand::kV)));
    case OpKind::kAttention:
      return write_attention(node);
    case OpKind::kSequencePool:
      return write_pool(node);
    case OpKind::kVocabularyPool:
      return write_vocabulary_pool(node);
    default:
      refuse(node, "is not written");
  }
}

std::string Exporter::write_positions(const Node& node) {
  const auto& rule = node.attribute<graph::PositionIdsAttributes>();
  const std::string ids = operand(node, Operand::kIds);
  const std::string& scope = node.scope;
  if (rule.rule == graph::PositionRule::kAbsolute) {
    const std::string shape = add(scope, "Shape", {ids});
    const std::string tokens = add(scope, "Gather", {shape, out_.integer(1)});
    const std::string row = add(scope, "Range", {out_.integer(0), tokens, out_.integer(1)});
    return add(scope, "Unsqueeze", {row, out_.list({0})});
  }
  const std::string padding = out_.integer(rule.padding_idx);
  const std::string is_token = add(scope, "Not", {add(scope, "Equal", {ids, padding})});
  const std::string ones = out_.cast(scope, is_token, ElementType::kInt64);
  const std::string count = add(scope, "CumSum", {ones, out_.integer(1)});
  return add(scope, "Add", {add(scope, "Mul", {count, ones}), padding});
}

std::string Exporter::write_activation(const Node& node, const std::string& x,
                                       Activation activation) {
  const std::string& s = node.scope;
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kGelu: {
      const std::string erf = add(s, "Erf", {add(s, "Div", {x, number(M_SQRT2)})});
      // The half first: twice x may be beyond half precision where x is not.
      const std::string bent = add(s, "Add", {erf, number(1)});
      return add(s, "Mul", {add(s, "Mul", {x, number(0.5)}), bent});
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

// Rows of integers are written multiplied out.
std::string Exporter::write_table(const Node& node, Operand table) {
  const graph::Value& rows = graph_.value(node.operand(table));
  if (table != Operand::kTable || !node.has(Operand::kWeightScale)) {
    return value(node.operand(table));
  }
  const Tensor& scale = *graph_.value(node.operand(Operand::kWeightScale)).constant;
  return out_.constant(rows.name,
                       std::make_shared<const Tensor>(multiplied_out(*rows.constant, scale)));
}

std::string Exporter::write_gather(const Node& node, Operand table, Operand ids) {
  return add(node.scope, "Gather", {write_table(node, table), value(node.operand(ids))});
}

std::string Exporter::write_embeddings(const Node& node) {
  std::string sum = write_gather(node, Operand::kTable, Operand::kIds);
  if (node.has(Operand::kType)) {
    sum = add(node.scope, "Add", {sum, write_gather(node, Operand::kType, Operand::kTypeIds)});
  }
  if (node.has(Operand::kPosition)) {
    const std::string rows = write_gather(node, Operand::kPosition, Operand::kPositionIds);
    sum = add(node.scope, "Add", {sum, rows});
  }
  return sum;
}

// Of an Add, or of what a SkipLayerNormalization normalizes.
std::string Exporter::write_sum(const Node& node) {
  const Operand second = node.has(Operand::kSkip) ? Operand::kSkip : Operand::kY;
  return add(node.scope, "Add", {operand(node, Operand::kX), operand(node, second)});
}

// Of `x` in float32: half precision has no epsilon of 1e-12, and no variance beyond 65504.
std::string Exporter::write_norm(const Node& node, const std::string& x) {
  norm_inputs_[node.output] = x;
  std::vector<std::string> inputs = {x, constant(node.operand(Operand::kGamma), true)};
  if (node.has(Operand::kBeta)) inputs.push_back(constant(node.operand(Operand::kBeta), true));
  const std::string y =
      add(node.scope, "LayerNormalization", std::move(inputs),
          {integer_attribute("axis", -1),
           number_attribute("epsilon", node.attribute<graph::LayerNormAttributes>().epsilon)});
  return out_.narrow(node.scope, y);
}

// The same of a mean of squares, over all columns or each head's.
std::string Exporter::write_rms_norm(const Node& node) {
  const auto& fields = node.attribute<graph::RmsNormAttributes>();
  const std::string& s = node.scope;
  const int64_t n = columns(node.output);
  std::string x = out_.widen(s, operand(node, Operand::kX));
  const bool by_head = fields.heads != 1;
  if (by_head) x = add(s, "Reshape", {x, out_.list({0, 0, fields.heads, n / fields.heads})});
  const std::string squares = add(s, "Mul", {x, x});
  const std::string mean = write_reduction(s, "ReduceMean", squares, -1, true);
  const std::string root =
      add(s, "Sqrt", {add(s, "Add", {mean, out_.wide_number(fields.epsilon)})});
  const std::string gamma = constant(node.operand(Operand::kGamma), true);
  std::string y = add(s, "Mul", {add(s, "Div", {x, root}), gamma});
  if (by_head) y = add(s, "Reshape", {y, out_.list({0, 0, n})});
  return out_.narrow(s, y);
}

// Over one axis, which is an input of the operator from opset 18 on, and an attribute before.
std::string Exporter::write_reduction(std::string_view scope, std::string_view op,
                                      const std::string& x, int64_t axis, bool keep) {
  constexpr int64_t kAxesAreAnInput = 18;
  std::vector<std::string> inputs = {x};
  std::vector<AttributeProto> attributes = {integer_attribute("keepdims", keep ? 1 : 0)};
  if (opset() >= kAxesAreAnInput) {
    inputs.push_back(out_.list({axis}));
  } else {
    attributes.insert(attributes.begin(), list_attribute("axes", {axis}));
  }
  return add(scope, op, std::move(inputs), std::move(attributes));
}

// Rows over their L2 norm, in float32.
std::string Exporter::write_unit_length(std::string_view scope, const std::string& x) {
  const std::string length = write_reduction(scope, "ReduceL2", x, -1, true);
  return add(scope, "Div", {x, add(scope, "Clip", {length, out_.wide_number(1e-12)})});
}

void Exporter::write_output(const graph::GraphOutput& output) {
  const bool plain = options_.output == OutputKind::kTokenEmbeddings;
  if (plain && output.name != "token_embeddings") return;
  std::string result = out_.widen("", written_.at(output.value));
  if (options_.output == OutputKind::kSpanLogits) return write_spans(result);
  if (options_.unit_length && output.name == "sentence_embedding") {
    result = write_unit_length("", result);
  }
  std::vector<DimProto> dims = {named_dim(kBatch)};
  if (has_tokens(output.value)) dims.push_back(named_dim(kTokens));
  dims.push_back(fixed_dim(columns(output.value)));
  name_output(result, plain ? "last_hidden_state" : output.name, std::move(dims));
}

void Exporter::write_spans(const std::string& logits) {
  for (const auto& [name, column] : {std::pair("start_logits", 0), std::pair("end_logits", 1)}) {
    const std::string part =
        add("", "Gather", {logits, out_.integer(column)}, {integer_attribute("axis", -1)});
    name_output(part, name, {named_dim(kBatch), named_dim(kTokens)});
  }
}

void Exporter::name_output(const std::string& from, const std::string& name,
                           std::vector<DimProto> dims) {
  NodeProto node;
  node.name = cat("/", name);
  node.op_type = "Identity";
  node.inputs = {from};
  node.outputs = {name};
  out_.model().graph.nodes.push_back(std::move(node));
  out_.model().graph.outputs.push_back({name, ElementType::kFloat, std::move(dims), ""});
}

ModelProto export_onnx(const Graph& graph, const ExportOptions& options) {
  return Exporter(graph, options).make();
}

}  // namespace tamis::onnx
