#include "onnx/export/graph_writer.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "tensor/widened.h"

namespace tamis::onnx {

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

GraphWriter::GraphWriter(ElementType floats, int64_t opset) : floats_(floats), opset_(opset) {
  // docs/Versioning.md of onnx: opset 19 came with IR 9.
  model_.ir_version = opset < 19 ? 8 : 9;
  model_.opsets = {{"", opset}};
  model_.producer_name = "tamis";
  model_.graph.name = "main_graph";
}

std::string GraphWriter::fresh(std::string_view path) {
  const int number = names_[std::string(path)]++;
  return number == 0 ? std::string(path) : cat(path, "_", number);
}

std::string GraphWriter::add(std::string_view scope, std::string_view op,
                             std::vector<std::string> inputs,
                             std::vector<AttributeProto> attributes) {
  NodeProto node;
  node.name = fresh(cat(path_of(scope), "/", op));
  node.op_type = op;
  node.inputs = std::move(inputs);
  node.outputs = {node.name + "_output_0"};
  node.attributes = std::move(attributes);
  model_.graph.nodes.push_back(std::move(node));
  return model_.graph.nodes.back().outputs[0];
}

std::string GraphWriter::cast(std::string_view scope, const std::string& x, ElementType to) {
  return add(scope, "Cast", {x}, {integer_attribute("to", static_cast<int64_t>(to))});
}

std::string GraphWriter::widen(std::string_view scope, const std::string& x) {
  return floats_ == ElementType::kFloat ? x : cast(scope, x, ElementType::kFloat);
}

std::string GraphWriter::narrow(std::string_view scope, const std::string& x) {
  return floats_ == ElementType::kFloat ? x : cast(scope, x, floats_);
}

// The axes are an input of the operator from opset 18 on, and an attribute before.
std::string GraphWriter::reduce(std::string_view scope, std::string_view op, const std::string& x,
                                int64_t axis, bool keep) {
  constexpr int64_t kAxesAreAnInput = 18;
  std::vector<std::string> inputs = {x};
  std::vector<AttributeProto> attributes = {integer_attribute("keepdims", keep ? 1 : 0)};
  if (opset_ >= kAxesAreAnInput) {
    inputs.push_back(list({axis}));
  } else {
    attributes.insert(attributes.begin(), list_attribute("axes", {axis}));
  }
  return add(scope, op, std::move(inputs), std::move(attributes));
}

std::string GraphWriter::slice(std::string_view scope, const std::string& x, int64_t first,
                               int64_t end) {
  return add(scope, "Slice", {x, list({first}), list({end}), list({-1})});
}

bool GraphWriter::is_written(const std::string& name, const std::vector<int64_t>& dims,
                             ElementType type, std::span<const std::byte> bytes) const {
  const auto found = constants_.find(name);
  if (found == constants_.end()) return false;
  const TensorProto& written = model_.graph.initializers[found->second];
  TAMIS_CHECK(written.type == type && written.dims == dims &&
              (written.bytes.data() == bytes.data() || std::ranges::equal(written.bytes, bytes)));
  return true;
}

std::string GraphWriter::unused(const std::string& name) const {
  std::string other = name;
  for (int number = 1; constants_.contains(other); ++number) other = cat(name, "_", number);
  return other;
}

std::string GraphWriter::tensor(std::string name, std::vector<int64_t> dims, ElementType type,
                                std::span<const std::byte> bytes,
                                std::shared_ptr<const void> keeper) {
  constants_.emplace(name, model_.graph.initializers.size());
  TensorProto tensor;
  tensor.name = std::move(name);
  tensor.dims = std::move(dims);
  tensor.type = type;
  tensor.bytes = bytes;
  tensor.keeper = std::move(keeper);
  model_.graph.initializers.push_back(std::move(tensor));
  return model_.graph.initializers.back().name;
}

std::string GraphWriter::numbers(const std::string& name, const std::vector<int64_t>& dims,
                                 std::span<const float> given) {
  if (floats_ == ElementType::kFloat) {
    return values<float>(name, dims, floats_, {given.begin(), given.end()});
  }
  const bool half = floats_ == ElementType::kFloat16;
  const DType type = half ? DType::kF16 : DType::kBF16;
  std::vector<uint16_t> narrow(given.size());
  for (size_t i = 0; i < given.size(); ++i) {
    narrow[i] = to_16_bits(given[i], type);
    const float back = from_16_bits(narrow[i], type);
    if (std::isfinite(back) || !std::isfinite(given[i])) continue;
    fail(ErrorCode::kUnsupported, "ONNX: constant \"", name, "\" holds ", given[i], ", beyond ",
         half ? "half precision's 65504; write it with --float fp32 or bf16"
              : "what bf16 holds; write it with --float fp32");
  }
  return values<uint16_t>(name, dims, floats_, std::move(narrow));
}

std::string GraphWriter::number(double value) {
  const auto narrow = static_cast<float>(value);
  return numbers(cat("number_", narrow), {}, {&narrow, 1});
}

std::string GraphWriter::wide_number(double value) {
  const auto narrow = static_cast<float>(value);
  if (floats_ == ElementType::kFloat) return number(value);
  return values<float>(cat("float_", narrow), {}, ElementType::kFloat, {narrow});
}

std::string GraphWriter::integer(int64_t value) {
  return values<int64_t>(cat("integer_", value), {}, ElementType::kInt64, {value});
}

std::string GraphWriter::list(const std::vector<int64_t>& given) {
  std::string name = "list";
  for (const int64_t value : given) name += cat("_", value);
  return values<int64_t>(name, {static_cast<int64_t>(given.size())}, ElementType::kInt64, given);
}

std::string GraphWriter::constant(const std::string& name,
                                  const std::shared_ptr<const Tensor>& stored, bool wide) {
  // What is stored shorter is written in the file's float type, too.
  const std::shared_ptr<const Tensor> given =
      is_stored_float(stored->dtype()) ? widened(stored) : stored;
  const auto sizes = given->shape().sizes();
  const std::vector<int64_t> dims = {sizes.begin(), sizes.end()};
  if (given->dtype() == DType::kF32 && !wide && floats_ != ElementType::kFloat) {
    return numbers(name, dims, given->as<float>());
  }
  const ElementType type = element_type_of(given->dtype());
  const std::span<const std::byte> bytes = {given->view().data(), given->size_bytes()};
  if (is_written(name, dims, type, bytes)) return name;
  return tensor(name, dims, type, bytes, given);
}

}  // namespace tamis::onnx
