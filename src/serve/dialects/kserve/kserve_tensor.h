// Tensors of the KServe v2 protocol, as REST and gRPC both carry them.
//
// Is: data types, shapes, raw little-endian bytes, and their checks. Is not: JSON, HTTP or gRPC.
// May use: base.
//
// Source: Open Inference Protocol, and Triton's binary tensor data extension for the bytes.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tamis::serve {

enum class KserveType : uint8_t {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kBf16,
  kFp32,
  kFp64,
  kBytes,
};

/// "FP32", "BYTES", ...
[[nodiscard]] std::string_view kserve_type_name(KserveType type);
/// Throws kInvalidArgument naming the input.
[[nodiscard]] KserveType kserve_type_from_name(std::string_view name, std::string_view input);
/// Bytes of an element; 0 for BYTES, whose elements have each their own.
[[nodiscard]] size_t kserve_type_bytes(KserveType type);

/// What a tensor must look like; -1 for any size.
struct KserveTensorSpec {
  std::string name;
  KserveType type = KserveType::kFp32;
  std::vector<int64_t> shape;
  bool optional = false;  ///< an input that may be left out
};

struct KserveTensor {
  std::string name;
  KserveType type = KserveType::kFp32;
  std::vector<int64_t> shape;
  /// Row-major, little-endian, no padding. An element of BYTES is its length as uint32, then its
  /// bytes.
  std::string data;
};

/// The product. Throws kInvalidArgument for a negative size or more than 2^31 elements.
[[nodiscard]] int64_t kserve_elements(const KserveTensor& tensor);

/// Throws kInvalidArgument unless `data` is exactly what type and shape need.
void check_kserve_data(const KserveTensor& tensor);

/// The elements of a BYTES tensor. Throws kInvalidArgument for another type or lengths that do not
/// add up.
[[nodiscard]] std::vector<std::string> kserve_strings(const KserveTensor& tensor);

/// The elements of an INT32 or INT64 tensor. Throws kInvalidArgument for another type, or a number
/// that is no int32.
[[nodiscard]] std::vector<int32_t> kserve_integers(const KserveTensor& tensor);

[[nodiscard]] KserveTensor kserve_bytes_tensor(std::string name, std::vector<int64_t> shape,
                                               const std::vector<std::string>& elements);
[[nodiscard]] KserveTensor kserve_float_tensor(std::string name, std::vector<int64_t> shape,
                                               const std::vector<float>& values);

/// An output that a request names.
struct KserveOutputRequest {
  std::string name;
  std::optional<bool> binary;  ///< HTTP: as bytes; nothing: as the request says
  int64_t classification = 0;  ///< above 0: the best so many as "value:index:label"
};

/// Triton's clients send it with a stream's requests: whether a response that only says that it is
/// the last may come. Here each request has one response, which is the last.
inline constexpr std::string_view kFinalResponseKey = "triton_enable_empty_final_response";

struct KserveRequest {
  std::string model;
  std::string version;  ///< empty: the newest
  std::string id;
  uint32_t priority = 0;
  int64_t timeout_us = 0;
  std::optional<bool> truncate;  ///< of texts that are too long; nothing: the server's way
  std::vector<KserveTensor> inputs;
  std::vector<KserveOutputRequest> outputs;  ///< empty: all that cost nothing extra
};

struct KserveResponse {
  std::string model;
  std::string version;
  std::string id;
  std::vector<KserveTensor> outputs;
};

/// Takes a scheduling parameter into the request: `priority`, `timeout`. Throws kInvalidArgument
/// for a number that the form InferParameters does not allow, and for a key that begins with
/// "triton_".
void set_kserve_parameter(KserveRequest& request, std::string_view key, int64_t value);
void check_kserve_parameter_key(std::string_view key);

}  // namespace tamis::serve
