// ModelProto down to its nodes.
#include <cstring>

#include "base/error.h"
#include "base/mapped_file.h"
#include "formats/onnx/onnx_model.h"
#include "formats/onnx/tensor_reader.h"
#include "formats/stored_tensor.h"

namespace tamis::onnx {

namespace {

// An encoder of 24 layers has some 100,000 of them; two million make structs of 500 MB at most,
// whatever the file.
constexpr size_t kMaxItems = 2'000'000;
// Graphs inside nodes (branches of If, bodies of Loop).
constexpr int kMaxGraphDepth = 4;

class ModelReader {
 public:
  ModelReader(const std::filesystem::path& file, const std::shared_ptr<const void>& keeper)
      : tensors_(file, keeper) {}

  ModelProto read(std::span<const std::byte> bytes, const Where& file) {
    ModelProto model;
    WireReader reader(bytes, file);
    bool has_graph = false;
    while (const auto field = reader.next()) {
      has_graph = has_graph || field->number == 7;
      read_model_field(reader, *field, model, file);
    }
    if (!has_graph) fail(ErrorCode::kCorruptData, file.to_string(), ": no graph; not an ONNX file");
    return model;
  }

  [[nodiscard]] std::vector<std::string> external_files() const {
    return tensors_.external_files();
  }

 private:
  // One more name or message.
  void count(const Where& where) {
    if (++items_ <= kMaxItems) return;
    fail(ErrorCode::kCorruptData, where.to_string(), ": over ", kMaxItems, " names and messages");
  }

  void read_model_field(const WireReader& reader, const WireField& field, ModelProto& model,
                        const Where& where) {
    count(where);
    switch (field.number) {
      case 1:
        model.ir_version = reader.integer(field, "ir_version");
        return;
      case 2:
        model.producer_name = reader.text(field, "producer_name");
        return;
      case 3:
        model.producer_version = reader.text(field, "producer_version");
        return;
      case 4:
        model.domain = reader.text(field, "domain");
        return;
      case 5:
        model.model_version = reader.integer(field, "model_version");
        return;
      case 6:
        model.doc = reader.text(field, "doc_string");
        return;
      case 7:
        read_graph(reader.bytes(field, "graph"), {&where, "graph"}, model.graph, 0);
        return;
      case 8:
        model.opsets.push_back(read_opset(reader.bytes(field, "opset_import"),
                                          {&where, "opset_import", model.opsets.size()}));
        return;
      case 14:
        model.metadata.push_back(
            read_string_pair(reader.bytes(field, "metadata_props"), {&where, "metadata_props"}));
        return;
      case 25:
        ++model.functions;
        return;
      default:
        return;
    }
  }

  static OpsetProto read_opset(std::span<const std::byte> bytes, const Where& where) {
    OpsetProto opset;
    WireReader reader(bytes, where);
    while (const auto field = reader.next()) {
      if (field->number == 1) opset.domain = reader.text(*field, "domain");
      if (field->number == 2) opset.version = reader.integer(*field, "version");
    }
    return opset;
  }

  void read_graph(std::span<const std::byte> bytes, const Where& where, GraphProto& graph,
                  int depth) {
    if (depth > kMaxGraphDepth) {
      fail(ErrorCode::kCorruptData, where.to_string(), ": over ", kMaxGraphDepth,
           " graphs inside each other");
    }
    WireReader reader(bytes, where);
    while (const auto field = reader.next()) read_graph_field(reader, *field, graph, where, depth);
  }

  void read_graph_field(const WireReader& reader, const WireField& field, GraphProto& graph,
                        const Where& where, int depth) {
    count(where);
    switch (field.number) {
      case 1:
        graph.nodes.push_back(
            read_node(reader.bytes(field, "node"), {&where, "node", graph.nodes.size()}, depth));
        return;
      case 2:
        graph.name = reader.text(field, "name");
        return;
      case 5:
        graph.initializers.push_back(
            tensors_.read(reader.bytes(field, "initializer"),
                          {&where, "initializer", graph.initializers.size()}));
        return;
      case 10:
        graph.doc = reader.text(field, "doc_string");
        return;
      case 11:
        graph.inputs.push_back(
            read_value(reader.bytes(field, "input"), {&where, "input", graph.inputs.size()}));
        return;
      case 12:
        graph.outputs.push_back(
            read_value(reader.bytes(field, "output"), {&where, "output", graph.outputs.size()}));
        return;
      case 13:
        graph.values.push_back(read_value(reader.bytes(field, "value_info"),
                                          {&where, "value_info", graph.values.size()}));
        return;
      case 15:
        ++graph.sparse_initializers;
        return;
      case 16:
        graph.metadata.push_back(
            read_string_pair(reader.bytes(field, "metadata_props"), {&where, "metadata_props"}));
        return;
      default:
        return;
    }
  }

  NodeProto read_node(std::span<const std::byte> bytes, const Where& at, int depth) {
    NodeProto node;
    const Where where = {at.parent, at.label, at.index, &node.name};
    WireReader reader(bytes, where);
    while (const auto field = reader.next()) read_node_field(reader, *field, node, where, depth);
    return node;
  }

  void read_node_field(const WireReader& reader, const WireField& field, NodeProto& node,
                       const Where& where, int depth) {
    count(where);
    switch (field.number) {
      case 1:
        node.inputs.push_back(reader.text(field, "input"));
        return;
      case 2:
        node.outputs.push_back(reader.text(field, "output"));
        return;
      case 3:
        node.name = reader.text(field, "name");
        return;
      case 4:
        node.op_type = reader.text(field, "op_type");
        return;
      case 5:
        node.attributes.push_back(read_attribute(reader.bytes(field, "attribute"),
                                                 {&where, "attribute", node.attributes.size()},
                                                 depth));
        return;
      case 6:
        node.doc = reader.text(field, "doc_string");
        return;
      case 7:
        node.domain = reader.text(field, "domain");
        return;
      case 8:
        node.overload = reader.text(field, "overload");
        return;
      case 9:
        node.metadata.push_back(
            read_string_pair(reader.bytes(field, "metadata_props"), {&where, "metadata_props"}));
        return;
      default:
        return;
    }
  }

  AttributeProto read_attribute(std::span<const std::byte> bytes, const Where& at, int depth) {
    AttributeProto attribute;
    const Where where = {at.parent, at.label, at.index, &attribute.name};
    WireReader reader(bytes, where);
    std::vector<std::byte> numbers;
    while (const auto field = reader.next()) {
      if (field->number == 7) {
        reader.fixed(*field, "floats", sizeof(float), numbers);
      } else {
        read_attribute_field(reader, *field, attribute, where, depth);
      }
    }
    attribute.numbers.resize(numbers.size() / sizeof(float));
    if (!numbers.empty()) std::memcpy(attribute.numbers.data(), numbers.data(), numbers.size());
    if (attribute.kind == AttributeKind::kUndefined) attribute.kind = kind_of(attribute);
    return attribute;
  }

  // Files of IR 1 and 2 do not say it.
  static AttributeKind kind_of(const AttributeProto& attribute) {
    if (!attribute.numbers.empty()) return AttributeKind::kFloats;
    if (!attribute.integers.empty()) return AttributeKind::kInts;
    if (!attribute.texts.empty()) return AttributeKind::kStrings;
    if (!attribute.tensors.empty()) return AttributeKind::kTensor;
    if (!attribute.graphs.empty()) return AttributeKind::kGraph;
    if (!attribute.text.empty()) return AttributeKind::kString;
    if (attribute.number != 0) return AttributeKind::kFloat;
    return AttributeKind::kInt;
  }

  void read_attribute_field(const WireReader& reader, const WireField& field,
                            AttributeProto& attribute, const Where& where, int depth) {
    count(where);
    switch (field.number) {
      case 1:
        attribute.name = reader.text(field, "name");
        return;
      case 2:
        attribute.number = reader.number(field, "f");
        return;
      case 3:
        attribute.integer = reader.integer(field, "i");
        return;
      case 4:
        attribute.text = reader.text(field, "s");
        return;
      case 5:
      case 10:
        attribute.tensors.push_back(
            tensors_.read(reader.bytes(field, field.number == 5 ? "t" : "tensors"),
                          {&where, "tensor", attribute.tensors.size()}));
        return;
      case 6:
      case 11:
        attribute.graphs.emplace_back();
        read_graph(reader.bytes(field, field.number == 6 ? "g" : "graphs"),
                   {&where, "graph", attribute.graphs.size() - 1}, attribute.graphs.back(),
                   depth + 1);
        return;
      case 8:
        return reader.integers(field, "ints", attribute.integers);
      case 9:
        attribute.texts.push_back(reader.text(field, "strings"));
        return;
      case 20:
        attribute.kind = static_cast<AttributeKind>(reader.integer(field, "type"));
        return;
      case 21:
        attribute.reference = reader.text(field, "ref_attr_name");
        return;
      default:
        return;
    }
  }

  ValueProto read_value(std::span<const std::byte> bytes, const Where& at) {
    ValueProto value;
    const Where where = {at.parent, at.label, at.index, &value.name};
    WireReader reader(bytes, where);
    while (const auto field = reader.next()) {
      count(where);
      if (field->number == 1) value.name = reader.text(*field, "name");
      if (field->number == 2) read_type(reader.bytes(*field, "type"), {&where, "type"}, value);
      if (field->number == 3) value.doc = reader.text(*field, "doc_string");
    }
    return value;
  }

  void read_type(std::span<const std::byte> bytes, const Where& where, ValueProto& value) {
    WireReader reader(bytes, where);
    while (const auto field = reader.next()) {
      if (field->number != 1) continue;  // a sequence, a map: not a tensor
      const Where inner = {&where, "tensor_type"};
      WireReader tensor(reader.bytes(*field, "tensor_type"), inner);
      while (const auto part = tensor.next()) {
        if (part->number == 1) {
          value.type = static_cast<ElementType>(tensor.integer(*part, "elem_type"));
        }
        if (part->number == 2) {
          value.dims = read_dims(tensor.bytes(*part, "shape"), {&inner, "shape"});
        }
      }
    }
  }

  std::vector<DimProto> read_dims(std::span<const std::byte> bytes, const Where& where) {
    std::vector<DimProto> dims;
    WireReader reader(bytes, where);
    while (const auto field = reader.next()) {
      if (field->number != 1) continue;
      count(where);
      const Where at = {&where, "dim", dims.size()};
      DimProto& dim = dims.emplace_back();
      WireReader parts(reader.bytes(*field, "dim"), at);
      while (const auto part = parts.next()) {
        if (part->number == 1) dim.value = parts.integer(*part, "dim_value");
        if (part->number == 2) dim.parameter = parts.text(*part, "dim_param");
      }
    }
    return dims;
  }

  TensorReader tensors_;
  size_t items_ = 0;
};

ModelProto parse(std::span<const std::byte> bytes, const std::string& source, ModelReader& reader) {
  refuse_lfs_pointer(bytes, source);
  return reader.read(bytes, {nullptr, source});
}

}  // namespace

ModelProto parse_onnx(std::span<const std::byte> bytes, const std::string& source,
                      const std::shared_ptr<const void>& keeper) {
  ModelReader reader({}, keeper);
  return parse(bytes, source, reader);
}

ModelProto read_onnx(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  ModelReader reader(path, file);
  return parse(file->bytes(), path.string(), reader);
}

std::vector<std::string> external_data_files(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  ModelReader reader(path, file);
  static_cast<void>(parse(file->bytes(), path.string(), reader));
  return reader.external_files();
}

}  // namespace tamis::onnx
