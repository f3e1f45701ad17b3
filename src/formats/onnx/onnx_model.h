// An ONNX file as structs.
//
// Is: reader and writer of the messages of onnx.proto3 that inference needs; values of tensors stay
// in the mapped file. Is not: an interpretation of operators (onnx/). May use: base, tensor.
// Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace tamis::onnx {

/// TensorProto.DataType; values beyond the named ones may lie in a file.
enum class ElementType : int32_t {
  kUndefined = 0,
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBfloat16 = 16,
  kUint4 = 21,
  kInt4 = 22,
};

/// "FLOAT", "INT64", ...; "type 99" for what has no name here.
[[nodiscard]] std::string element_type_name(ElementType type);
/// Bits of an element; nothing for strings and unknown types.
[[nodiscard]] std::optional<int64_t> element_bits(ElementType type);
[[nodiscard]] std::optional<DType> dtype_of(ElementType type);
[[nodiscard]] ElementType element_type_of(DType dtype);

using StringPairs = std::vector<std::pair<std::string, std::string>>;

/// A constant. Values of every numeric type lie in `bytes`, row-major and little-endian, however
/// the file spells them; their size is that of dims and type.
struct TensorProto {
  std::string name;
  std::vector<int64_t> dims;
  ElementType type = ElementType::kFloat;
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> keeper;  ///< keeps `bytes` alive
  std::vector<std::string> strings;    ///< of kString

  friend bool operator==(const TensorProto& a, const TensorProto& b);
};

struct GraphProto;

/// The kinds that inference needs, by AttributeProto.AttributeType.
enum class AttributeKind : int32_t {
  kUndefined = 0,
  kFloat = 1,
  kInt = 2,
  kString = 3,
  kTensor = 4,
  kGraph = 5,
  kFloats = 6,
  kInts = 7,
  kStrings = 8,
  kTensors = 9,
  kGraphs = 10,
};

struct AttributeProto {
  std::string name;
  AttributeKind kind = AttributeKind::kUndefined;
  float number = 0;
  int64_t integer = 0;
  std::string text;
  std::vector<float> numbers;
  std::vector<int64_t> integers;
  std::vector<std::string> texts;
  std::vector<TensorProto> tensors;  ///< of kTensor: one
  std::vector<GraphProto> graphs;    ///< of kGraph: one; control flow has them
  std::string reference;             ///< of an attribute inside a function

  friend bool operator==(const AttributeProto& a, const AttributeProto& b);
};

struct NodeProto {
  std::vector<std::string> inputs;  ///< "": an optional one that is absent
  std::vector<std::string> outputs;
  std::string name;  ///< may be empty, and twice in a graph
  std::string op_type;
  std::string domain;  ///< "" and "ai.onnx" are the same
  std::string overload;
  std::vector<AttributeProto> attributes;
  std::string doc;
  StringPairs metadata;

  [[nodiscard]] const AttributeProto* attribute(std::string_view name) const;
  friend bool operator==(const NodeProto&, const NodeProto&) = default;
};

/// A number, a name for what differs from run to run, or neither.
struct DimProto {
  std::optional<int64_t> value;
  std::string parameter;
  friend bool operator==(const DimProto&, const DimProto&) = default;
};

/// An input, an output or a value between: a tensor, or something that is none.
struct ValueProto {
  std::string name;
  ElementType type = ElementType::kUndefined;  ///< kUndefined: no tensor, or not said
  std::optional<std::vector<DimProto>> dims;   ///< nothing: of any rank
  std::string doc;
  friend bool operator==(const ValueProto&, const ValueProto&) = default;
};

struct GraphProto {
  std::string name;
  std::vector<NodeProto> nodes;
  std::vector<TensorProto> initializers;
  std::vector<ValueProto> inputs;
  std::vector<ValueProto> outputs;
  std::vector<ValueProto> values;
  std::string doc;
  StringPairs metadata;
  int64_t sparse_initializers = 0;  ///< counted, not read
  friend bool operator==(const GraphProto&, const GraphProto&) = default;
};

struct OpsetProto {
  std::string domain;
  int64_t version = 0;
  friend bool operator==(const OpsetProto&, const OpsetProto&) = default;
};

/// A value type; copies share the bytes of constants.
struct ModelProto {
  int64_t ir_version = 0;
  std::vector<OpsetProto> opsets;
  std::string producer_name;
  std::string producer_version;
  std::string domain;
  int64_t model_version = 0;
  std::string doc;
  GraphProto graph;
  StringPairs metadata;
  int64_t functions = 0;  ///< counted, not read: FunctionProto
  friend bool operator==(const ModelProto&, const ModelProto&) = default;
};

/// Maps the file and those that its tensors name as external data. Those must lie in the file's
/// folder: relative names without "..", links only to where the file's own link leads.
/// Throws Error naming the file, the node or tensor, and the field: kCorruptData (malformed, cut,
/// data that does not fit dims and type, names that leave the folder, over a limit: graphs inside
/// nodes 4 deep, two million names and messages, rank 64), kNotFound (a file of external data).
[[nodiscard]] ModelProto read_onnx(const std::filesystem::path& path);

/// The same from bytes, which `keeper` keeps alive; external data is Error{kCorruptData}.
[[nodiscard]] ModelProto parse_onnx(std::span<const std::byte> bytes, const std::string& source,
                                    const std::shared_ptr<const void>& keeper);

/// The files of external data that its tensors name, relative to its folder, each once. Throws as
/// read_onnx().
[[nodiscard]] std::vector<std::string> external_data_files(const std::filesystem::path& path);

/// Writes the model with all data inside; read again it is equal to `model`. Throws Error:
/// kUnsupported (functions or sparse initializers, or over protobuf's 2 GiB), kUnavailable (the
/// file cannot be written).
void write_onnx(const std::filesystem::path& path, const ModelProto& model);

/// What write_onnx() writes.
[[nodiscard]] std::string onnx_bytes(const ModelProto& model);

}  // namespace tamis::onnx
