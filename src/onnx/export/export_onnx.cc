#include "onnx/export/export_onnx.h"

#include "onnx/export/export_norm.h"
#include "onnx/export/export_ops.h"
#include "onnx/export/export_quantized.h"

namespace tamis::onnx {

using graph::Graph;
using graph::Node;
using graph::OpKind;

namespace {

constexpr std::string_view kBatch = "batch_size";
constexpr std::string_view kTokens = "sequence_length";

DimProto named_dim(std::string_view name) { return {std::nullopt, std::string(name)}; }
DimProto fixed_dim(int64_t size) { return {size, ""}; }

void add_input(ExportContext& c, std::string_view name) {
  c.out().model().graph.inputs.push_back(
      {std::string(name), ElementType::kInt64, {{named_dim(kBatch), named_dim(kTokens)}}, ""});
}

void add_inputs(ExportContext& c) {
  for (const graph::ValueId id : c.graph().inputs()) {
    const std::string& name = c.graph().value(id).name;
    c.set_value(id, name);
    add_input(c, name);
    if (name == graph::kInputIds) add_input(c, kMaskInput);
  }
}

struct OpRow {
  OpKind kind;
  std::string (*write)(ExportContext& c, const Node& node);
};

constexpr OpRow kOps[] = {
#define X(kind, function) {OpKind::k##kind, function},
#include "onnx/export/export_ops.inc"
#undef X
};

std::string write(ExportContext& c, const Node& node) {
  if (c.options().flavor == Flavor::kTensorRt) check_tensorrt_form(c, node);
  for (const OpRow& row : kOps) {
    if (row.kind == node.op) return row.write(c, node);
  }
  c.refuse(node, graph::is_of_experts(node.op) ? "a mixture of experts is not written"
                                               : "is not written");
}

void name_output(ExportContext& c, const std::string& from, const std::string& name,
                 std::vector<DimProto> dims) {
  NodeProto node;
  node.name = cat("/", name);
  node.op_type = "Identity";
  node.inputs = {from};
  node.outputs = {name};
  c.out().model().graph.nodes.push_back(std::move(node));
  c.out().model().graph.outputs.push_back({name, ElementType::kFloat, std::move(dims), ""});
}

void write_spans(ExportContext& c, const std::string& logits) {
  for (const auto& [name, column] : {std::pair("start_logits", 0), std::pair("end_logits", 1)}) {
    const std::string part =
        c.add("", "Gather", {logits, c.out().integer(column)}, {integer_attribute("axis", -1)});
    name_output(c, part, name, {named_dim(kBatch), named_dim(kTokens)});
  }
}

void write_output(ExportContext& c, const graph::GraphOutput& output) {
  const bool plain = c.options().output == OutputKind::kTokenEmbeddings;
  if (plain && output.name != "token_embeddings") return;
  std::string result = c.out().widen("", c.value(output.value));
  if (c.options().output == OutputKind::kSpanLogits) return write_spans(c, result);
  if (c.options().unit_length && output.name == "sentence_embedding") {
    result = unit_length(c, "", result);
  }
  std::vector<DimProto> dims = {named_dim(kBatch)};
  const bool by_sequence =
      c.graph().value(output.value).shape[0].symbol == graph::Symbol::kSequences;
  if (!by_sequence) dims.push_back(named_dim(kTokens));
  dims.push_back(fixed_dim(c.columns(output.value)));
  name_output(c, result, plain ? "last_hidden_state" : output.name, std::move(dims));
}

}  // namespace

ModelProto export_onnx(const Graph& graph, const ExportOptions& options) {
  ExportContext c(graph, options);
  add_inputs(c);
  for (const Node& node : graph.nodes()) c.set_value(node.output, write(c, node));
  for (const graph::GraphOutput& output : graph.outputs()) write_output(c, output);
  TAMIS_CHECK(!c.out().model().graph.outputs.empty());
  return std::move(c.out().model());
}

}  // namespace tamis::onnx
