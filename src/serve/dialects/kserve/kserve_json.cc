#include "serve/dialects/kserve/kserve_json.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "serve/protocol/fields.h"
#include "serve/protocol/json_fields.h"

namespace tamis::serve {

namespace {

template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  fail(ErrorCode::kInvalidArgument, parts...);
}

template <typename T>
void append_raw(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
void append_integer(JsonView item, const KserveTensor& tensor, std::string& out) {
  // What is beyond int64 came as a double; only UINT64 has room for it.
  if constexpr (std::is_same_v<T, uint64_t>) {
    if (item.is_number() && !item.is_int()) {
      const double number = item.as_double(tensor.name);
      if (number >= 0 && number < 18446744073709551616.0 && number == std::floor(number)) {
        return append_raw(out, static_cast<uint64_t>(number));
      }
    }
  }
  if (!item.is_int()) refuse("input \"", tensor.name, "\": an element is no whole number");
  const int64_t value = item.as_int(tensor.name);
  if (!std::in_range<T>(value)) {
    refuse("input \"", tensor.name, "\": ", value, " is no ", kserve_type_name(tensor.type));
  }
  append_raw(out, static_cast<T>(value));
}

template <typename T>
void append_float(JsonView item, const KserveTensor& tensor, std::string& out) {
  if (!item.is_number()) refuse("input \"", tensor.name, "\": an element is no number");
  const double value = item.as_double(tensor.name);
  if (std::abs(value) > static_cast<double>(std::numeric_limits<T>::max())) {
    refuse("input \"", tensor.name, "\": ", value, " is beyond ", kserve_type_name(tensor.type));
  }
  append_raw(out, static_cast<T>(value));
}

void append_element(JsonView item, const KserveTensor& tensor, std::string& out) {
  switch (tensor.type) {
    case KserveType::kBool:
      if (!item.is_bool()) refuse("input \"", tensor.name, "\": an element is no true or false");
      return append_raw(out, static_cast<uint8_t>(item.as_bool(tensor.name)));
    case KserveType::kUint8:
      return append_integer<uint8_t>(item, tensor, out);
    case KserveType::kUint16:
      return append_integer<uint16_t>(item, tensor, out);
    case KserveType::kUint32:
      return append_integer<uint32_t>(item, tensor, out);
    case KserveType::kUint64:
      return append_integer<uint64_t>(item, tensor, out);
    case KserveType::kInt8:
      return append_integer<int8_t>(item, tensor, out);
    case KserveType::kInt16:
      return append_integer<int16_t>(item, tensor, out);
    case KserveType::kInt32:
      return append_integer<int32_t>(item, tensor, out);
    case KserveType::kInt64:
      return append_integer<int64_t>(item, tensor, out);
    case KserveType::kFp32:
      return append_float<float>(item, tensor, out);
    case KserveType::kFp64:
      return append_float<double>(item, tensor, out);
    case KserveType::kFp16:
    case KserveType::kBf16:
      refuse("input \"", tensor.name, "\": ", kserve_type_name(tensor.type),
             " comes as binary data only");
    case KserveType::kBytes: {
      if (!item.is_string()) refuse("input \"", tensor.name, "\": an element is no string");
      const std::string_view text = item.as_string(tensor.name);
      append_raw(out, static_cast<uint32_t>(text.size()));
      out.append(text);
      return;
    }
  }
}

// Nested or flat: only the number of elements counts.
int64_t append_elements(JsonView data, const KserveTensor& tensor, std::string& out) {
  if (!data.is_array()) {
    append_element(data, tensor, out);
    return 1;
  }
  int64_t count = 0;
  for (size_t i = 0; i < data.size(); ++i) count += append_elements(data.at(i), tensor, out);
  return count;
}

// Takes the input's bytes from the front of `binary`, or its "data".
KserveTensor read_input(JsonView item, std::string_view& binary) {
  check_object(item);
  const Fields fields("InferInput", item);
  const Fields parameters("InferInputParameters", fields.json("parameters"));
  KserveTensor tensor;
  tensor.name = fields.string("name").value();
  tensor.type = kserve_type_from_name(fields.text("datatype").value(), tensor.name);
  const JsonView shape = array_field(item, "shape");
  if (shape.size() > 8) refuse("input \"", tensor.name, "\": more than 8 dimensions");
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!shape.at(i).is_int()) refuse("input \"", tensor.name, "\": a size is no whole number");
    tensor.shape.push_back(shape.at(i).as_int("shape"));
  }
  const int64_t elements = kserve_elements(tensor);
  const auto bytes = parameters.integer("binary_data_size");
  if (bytes) {
    if (static_cast<uint64_t>(*bytes) > binary.size()) {
      refuse("input \"", tensor.name, "\": binary_data_size is ", *bytes, ", ", binary.size(),
             " bytes are left");
    }
    if (item.get("data").exists()) refuse("input \"", tensor.name, "\": data in both forms");
    tensor.data = binary.substr(0, static_cast<size_t>(*bytes));
    binary.remove_prefix(static_cast<size_t>(*bytes));
    return tensor;
  }
  const JsonView data = item.get("data");
  if (!data.is_array()) refuse("input \"", tensor.name, "\": `data` must be a list");
  const int64_t found = append_elements(data, tensor, tensor.data);
  if (found != elements) {
    refuse("input \"", tensor.name, "\": ", found, " elements, the shape has ", elements);
  }
  return tensor;
}

KserveOutputRequest read_output(JsonView item) {
  check_object(item);
  const Fields fields("InferOutput", item);
  const Fields parameters("InferOutputParameters", fields.json("parameters"));
  KserveOutputRequest output;
  output.name = fields.string("name").value();
  output.binary = parameters.flag("binary_data");
  output.classification = parameters.integer("classification").value_or(0);
  return output;
}

void read_parameters(JsonView parameters, KserveBody& body) {
  const Fields fields("InferParameters", parameters);
  for (size_t i = 0; i < parameters.size(); ++i) {
    const std::string_view key = parameters.member(i).key;
    if (key != kFinalResponseKey) check_kserve_parameter_key(key);
  }
  (void)fields.flag(kFinalResponseKey);  // one answer is the last one
  body.binary_by_default = fields.flag("binary_data_output").value_or(false);
  body.request.truncate = fields.flag("truncate");
  for (const std::string_view key : {"priority", "timeout"}) {
    set_kserve_parameter(body.request, key, fields.integer(key).value_or(0));
  }
}

size_t read_header_length(std::string_view text, size_t body_size) {
  size_t length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (error != std::errc() || end != text.data() + text.size() || length > body_size) {
    refuse("Inference-Header-Content-Length is \"", text, "\", must be a number in 0..", body_size);
  }
  return length;
}

// The extension's raw form: no JSON, the body is one text.
KserveBody raw_body(std::string_view body) {
  KserveBody parsed;
  parsed.binary_by_default = true;
  parsed.request.inputs.push_back(kserve_bytes_tensor("text", {1}, {std::string(body)}));
  return parsed;
}

}  // namespace

KserveBody parse_kserve_body(std::string_view body, std::optional<std::string_view> header_length) {
  size_t json_size = body.size();
  if (header_length) json_size = read_header_length(*header_length, body.size());
  if (header_length && json_size == 0) return raw_body(body);
  std::string_view binary = body.substr(json_size);
  JsonLimits limits;
  limits.max_depth = 32;
  const JsonDocument document = JsonDocument::parse(body.substr(0, json_size), "request", limits);
  const JsonView root = document.root();
  check_object(root);
  const Fields fields("InferRequest", root);
  KserveBody parsed;
  parsed.request.id = fields.text("id").value_or("");
  read_parameters(fields.json("parameters"), parsed);
  const JsonView inputs = array_field(root, "inputs");
  for (size_t i = 0; i < inputs.size(); ++i) {
    parsed.request.inputs.push_back(read_input(inputs.at(i), binary));
  }
  if (!binary.empty()) refuse(binary.size(), " bytes stand behind the last input's");
  if (!root.get("outputs").is_null()) {
    const JsonView outputs = array_field(root, "outputs");
    for (size_t i = 0; i < outputs.size(); ++i) {
      parsed.request.outputs.push_back(read_output(outputs.at(i)));
    }
  }
  return parsed;
}

namespace {

bool is_binary(const KserveTensor& output, const KserveBody& request) {
  for (const KserveOutputRequest& wanted : request.request.outputs) {
    if (wanted.name == output.name && wanted.binary) return *wanted.binary;
  }
  return request.binary_by_default;
}

void write_data(const KserveTensor& tensor, JsonWriter& json) {
  json.key("data");
  if (tensor.type == KserveType::kFp32) {
    json.array(std::span(reinterpret_cast<const float*>(tensor.data.data()),
                         tensor.data.size() / sizeof(float)));
    return;
  }
  json.begin_array();
  for (const std::string& text : kserve_strings(tensor)) json.value(text);
  json.end_array();
}

}  // namespace

KserveText print_kserve_response(const KserveResponse& response, const KserveBody& request) {
  JsonWriter json;
  std::string bytes;
  bool any_binary = false;
  json.begin_object();
  if (!response.id.empty()) json.member("id", response.id);
  json.member("model_name", response.model).member("model_version", response.version);
  json.key("outputs").begin_array();
  for (const KserveTensor& output : response.outputs) {
    json.begin_object();
    json.member("name", output.name).member("datatype", kserve_type_name(output.type));
    json.key("shape").begin_array();
    for (const int64_t size : output.shape) json.value(size);
    json.end_array();
    if (is_binary(output, request)) {
      any_binary = true;
      json.key("parameters").begin_object();
      json.member("binary_data_size", static_cast<int64_t>(output.data.size())).end_object();
      bytes += output.data;
    } else {
      write_data(output, json);
    }
    json.end_object();
  }
  json.end_array().end_object();
  KserveText text;
  text.body = json.take();
  if (any_binary) text.header_length = text.body.size();
  text.body += bytes;
  return text;
}

}  // namespace tamis::serve
