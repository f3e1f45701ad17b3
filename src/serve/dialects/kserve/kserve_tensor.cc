#include "serve/dialects/kserve/kserve_tensor.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "base/bytes_element.h"
#include "base/error.h"
#include "serve/protocol/fields.h"

namespace tamis::serve {

static_assert(std::endian::native == std::endian::little, "wire bytes are used as they are");

namespace {

struct TypeRow {
  KserveType type;
  std::string_view name;
  size_t bytes;
};

constexpr TypeRow kTypes[] = {
    {KserveType::kBool, "BOOL", 1},     {KserveType::kUint8, "UINT8", 1},
    {KserveType::kUint16, "UINT16", 2}, {KserveType::kUint32, "UINT32", 4},
    {KserveType::kUint64, "UINT64", 8}, {KserveType::kInt8, "INT8", 1},
    {KserveType::kInt16, "INT16", 2},   {KserveType::kInt32, "INT32", 4},
    {KserveType::kInt64, "INT64", 8},   {KserveType::kFp16, "FP16", 2},
    {KserveType::kBf16, "BF16", 2},     {KserveType::kFp32, "FP32", 4},
    {KserveType::kFp64, "FP64", 8},     {KserveType::kBytes, "BYTES", 0},
};

template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  fail(ErrorCode::kInvalidArgument, parts...);
}

const TypeRow& row_of(KserveType type) { return kTypes[static_cast<size_t>(type)]; }

// Calls take(text) for each element; stops at the first that does not fit.
template <typename Take>
void for_each_string(const KserveTensor& tensor, int64_t count, Take take) {
  std::string_view rest = tensor.data;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t length = 0;
    if (rest.size() < sizeof(length)) {
      refuse("input \"", tensor.name, "\": the data end before element ", i, " of ", count);
    }
    std::memcpy(&length, rest.data(), sizeof(length));
    rest.remove_prefix(sizeof(length));
    if (length > rest.size()) {
      refuse("input \"", tensor.name, "\": element ", i, " says it has ", uint64_t{length},
             " bytes, ", rest.size(), " are left");
    }
    take(rest.substr(0, length));
    rest.remove_prefix(length);
  }
  if (!rest.empty()) {
    refuse("input \"", tensor.name, "\": ", rest.size(), " bytes stand behind the last of ", count,
           " elements");
  }
}

template <typename T>
std::vector<int32_t> integers_as(const KserveTensor& tensor) {
  std::vector<int32_t> values(tensor.data.size() / sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    T value = 0;
    std::memcpy(&value, tensor.data.data() + i * sizeof(T), sizeof(T));
    if (value < 0 || value > std::numeric_limits<int32_t>::max()) {
      refuse("input \"", tensor.name, "\": element ", i, " is ", value,
             ", must lie in 0..2147483647");
    }
    values[i] = static_cast<int32_t>(value);
  }
  return values;
}

}  // namespace

std::string_view kserve_type_name(KserveType type) { return row_of(type).name; }

size_t kserve_type_bytes(KserveType type) { return row_of(type).bytes; }

KserveType kserve_type_from_name(std::string_view name, std::string_view input) {
  for (const TypeRow& row : kTypes) {
    if (row.name == name) return row.type;
  }
  refuse("input \"", input, "\": datatype \"", name, "\" is none of the protocol's");
}

int64_t kserve_elements(const KserveTensor& tensor) {
  constexpr int64_t kMost = int64_t{1} << 31;
  int64_t elements = 1;
  for (const int64_t size : tensor.shape) {
    if (size < 0) refuse("input \"", tensor.name, "\": a size of the shape is ", size);
    if (size != 0 && elements > kMost / size) {
      refuse("input \"", tensor.name, "\": the shape has more than 2^31 elements");
    }
    elements *= size;
  }
  return elements;
}

void check_kserve_data(const KserveTensor& tensor) {
  const int64_t elements = kserve_elements(tensor);
  if (tensor.type == KserveType::kBytes) {
    for_each_string(tensor, elements, [](std::string_view) {});
    return;
  }
  const auto needed = static_cast<size_t>(elements) * kserve_type_bytes(tensor.type);
  if (tensor.data.size() != needed) {
    refuse("input \"", tensor.name, "\": got ", tensor.data.size(), " bytes, ",
           kserve_type_name(tensor.type), " of that shape needs ", needed);
  }
}

std::vector<std::string> kserve_strings(const KserveTensor& tensor) {
  if (tensor.type != KserveType::kBytes) {
    refuse("input \"", tensor.name, "\" is ", kserve_type_name(tensor.type), ", must be BYTES");
  }
  std::vector<std::string> texts;
  for_each_string(tensor, kserve_elements(tensor),
                  [&](std::string_view text) { texts.emplace_back(text); });
  return texts;
}

std::vector<int32_t> kserve_integers(const KserveTensor& tensor) {
  if (tensor.type != KserveType::kInt32 && tensor.type != KserveType::kInt64) {
    refuse("input \"", tensor.name, "\" is ", kserve_type_name(tensor.type),
           ", must be INT64 or INT32");
  }
  check_kserve_data(tensor);
  return tensor.type == KserveType::kInt32 ? integers_as<int32_t>(tensor)
                                           : integers_as<int64_t>(tensor);
}

KserveTensor kserve_bytes_tensor(std::string name, std::vector<int64_t> shape,
                                 const std::vector<std::string>& elements) {
  KserveTensor tensor{std::move(name), KserveType::kBytes, std::move(shape), {}};
  for (const std::string& element : elements) {
    append_bytes_element(tensor.data, element);
  }
  return tensor;
}

KserveTensor kserve_float_tensor(std::string name, std::vector<int64_t> shape,
                                 const std::vector<float>& values) {
  KserveTensor tensor{std::move(name), KserveType::kFp32, std::move(shape), {}};
  tensor.data.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return tensor;
}

void check_kserve_parameter_key(std::string_view key) {
  if (key.starts_with("triton_")) {
    refuse("parameter \"", key, "\": keys that begin with \"triton_\" are reserved");
  }
}

void set_kserve_parameter(KserveRequest& request, std::string_view key, int64_t value) {
  check_kserve_parameter_key(key);
  if (key != "priority" && key != "timeout") return;
  checked_integer("InferParameters", key, value);
  if (key == "priority") {
    request.priority = static_cast<uint32_t>(std::min<int64_t>(value, 1 << 30));
  } else {
    // A hundred years of microseconds fit their nanoseconds in 64 bits.
    request.timeout_us = std::min<int64_t>(value, int64_t{3'155'760'000} * 1'000'000);
  }
}

}  // namespace tamis::serve
