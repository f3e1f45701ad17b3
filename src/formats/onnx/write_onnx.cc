// ModelProto as bytes, and when two models are equal.
#include <algorithm>
#include <bit>

#include "base/error.h"
#include "base/file.h"
#include "formats/onnx/onnx_model.h"
#include "formats/onnx/wire.h"

namespace tamis::onnx {

namespace {

// Readers built on protobuf take no message of this size.
constexpr size_t kMaxBytes = size_t{1} << 31;

// NaN is equal to itself here.
bool same_bits(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

void write_texts(WireWriter& out, uint32_t field, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) out.text(field, text);
}

// Absent and empty are the same in proto3.
void write_text(WireWriter& out, uint32_t field, std::string_view text) {
  if (!text.empty()) out.text(field, text);
}

void write_integer(WireWriter& out, uint32_t field, int64_t value) {
  if (value != 0) out.integer(field, value);
}

void write_pairs(WireWriter& out, uint32_t field, const StringPairs& pairs) {
  for (const auto& [key, value] : pairs) {
    WireWriter pair;
    pair.text(1, key);
    pair.text(2, value);
    out.message(field, std::move(pair));
  }
}

WireWriter tensor_message(const TensorProto& tensor) {
  WireWriter out;
  out.packed(1, tensor.dims);
  out.integer(2, static_cast<int64_t>(tensor.type));
  write_texts(out, 6, tensor.strings);
  write_text(out, 8, tensor.name);
  if (tensor.type != ElementType::kString) out.borrow(9, tensor.bytes);
  return out;
}

WireWriter graph_message(const GraphProto& graph);

WireWriter attribute_message(const AttributeProto& attribute) {
  WireWriter out;
  const AttributeKind kind = attribute.kind;
  write_text(out, 1, attribute.name);
  if (kind == AttributeKind::kFloat || !same_bits(attribute.number, 0.0f)) {
    out.number(2, attribute.number);
  }
  if (kind == AttributeKind::kInt || attribute.integer != 0) out.integer(3, attribute.integer);
  if (kind == AttributeKind::kString || !attribute.text.empty()) out.text(4, attribute.text);
  for (const TensorProto& tensor : attribute.tensors) {
    out.message(kind == AttributeKind::kTensor ? 5 : 10, tensor_message(tensor));
  }
  for (const GraphProto& graph : attribute.graphs) {
    out.message(kind == AttributeKind::kGraph ? 6 : 11, graph_message(graph));
  }
  if (!attribute.numbers.empty()) out.packed(7, attribute.numbers);
  if (!attribute.integers.empty()) out.packed(8, attribute.integers);
  write_texts(out, 9, attribute.texts);
  out.integer(20, static_cast<int64_t>(kind));
  write_text(out, 21, attribute.reference);
  return out;
}

WireWriter node_message(const NodeProto& node) {
  WireWriter out;
  write_texts(out, 1, node.inputs);
  write_texts(out, 2, node.outputs);
  write_text(out, 3, node.name);
  write_text(out, 4, node.op_type);
  for (const AttributeProto& attribute : node.attributes) {
    out.message(5, attribute_message(attribute));
  }
  write_text(out, 6, node.doc);
  write_text(out, 7, node.domain);
  write_text(out, 8, node.overload);
  write_pairs(out, 9, node.metadata);
  return out;
}

WireWriter type_message(const ValueProto& value) {
  WireWriter tensor;
  tensor.integer(1, static_cast<int64_t>(value.type));
  if (value.dims) {
    WireWriter shape;
    for (const DimProto& dim : *value.dims) {
      WireWriter part;
      if (dim.value) part.integer(1, *dim.value);
      write_text(part, 2, dim.parameter);
      shape.message(1, std::move(part));
    }
    tensor.message(2, std::move(shape));
  }
  WireWriter out;
  out.message(1, std::move(tensor));
  return out;
}

void write_values(WireWriter& out, uint32_t field, const std::vector<ValueProto>& values) {
  for (const ValueProto& value : values) {
    WireWriter message;
    write_text(message, 1, value.name);
    if (value.type != ElementType::kUndefined || value.dims) {
      message.message(2, type_message(value));
    }
    write_text(message, 3, value.doc);
    out.message(field, std::move(message));
  }
}

WireWriter graph_message(const GraphProto& graph) {
  if (graph.sparse_initializers != 0) {
    fail(ErrorCode::kUnsupported, "graph \"", graph.name,
         "\": sparse initializers are not written");
  }
  WireWriter out;
  for (const NodeProto& node : graph.nodes) out.message(1, node_message(node));
  write_text(out, 2, graph.name);
  for (const TensorProto& tensor : graph.initializers) out.message(5, tensor_message(tensor));
  write_text(out, 10, graph.doc);
  write_values(out, 11, graph.inputs);
  write_values(out, 12, graph.outputs);
  write_values(out, 13, graph.values);
  write_pairs(out, 16, graph.metadata);
  return out;
}

WireWriter model_message(const ModelProto& model) {
  if (model.functions != 0) {
    fail(ErrorCode::kUnsupported, "a model with functions of its own is not written");
  }
  WireWriter out;
  out.integer(1, model.ir_version);
  write_text(out, 2, model.producer_name);
  write_text(out, 3, model.producer_version);
  write_text(out, 4, model.domain);
  write_integer(out, 5, model.model_version);
  write_text(out, 6, model.doc);
  out.message(7, graph_message(model.graph));
  for (const OpsetProto& opset : model.opsets) {
    WireWriter message;
    write_text(message, 1, opset.domain);
    message.integer(2, opset.version);
    out.message(8, std::move(message));
  }
  write_pairs(out, 14, model.metadata);
  return out;
}

}  // namespace

bool operator==(const TensorProto& a, const TensorProto& b) {
  return a.name == b.name && a.dims == b.dims && a.type == b.type && a.strings == b.strings &&
         std::ranges::equal(a.bytes, b.bytes);
}

bool operator==(const AttributeProto& a, const AttributeProto& b) {
  return a.name == b.name && a.kind == b.kind && same_bits(a.number, b.number) &&
         a.integer == b.integer && a.text == b.text &&
         std::ranges::equal(a.numbers, b.numbers, same_bits) && a.integers == b.integers &&
         a.texts == b.texts && a.tensors == b.tensors && a.graphs == b.graphs &&
         a.reference == b.reference;
}

const AttributeProto* NodeProto::attribute(std::string_view wanted) const {
  for (const AttributeProto& candidate : attributes) {
    if (candidate.name == wanted) return &candidate;
  }
  return nullptr;
}

std::string onnx_bytes(const ModelProto& model) { return model_message(model).joined(); }

void write_onnx(const std::filesystem::path& path, const ModelProto& model) {
  const WireWriter message = model_message(model);
  if (message.size() >= kMaxBytes) {
    fail(ErrorCode::kUnsupported, path.string(), ": ", message.size(),
         " bytes; protobuf takes less than ", kMaxBytes);
  }
  write_file(path, message.pieces());
}

}  // namespace tamis::onnx
