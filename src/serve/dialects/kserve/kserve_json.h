// The REST form of KServe's inference: JSON, with tensors' bytes behind it where the binary
// extension is used.
//
// Is: bytes to KserveRequest, KserveResponse to bytes. Is not: HTTP (endpoint_kserve_infer). May
// use: kserve_tensor, base.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "serve/dialects/kserve/kserve_tensor.h"

namespace tamis::serve {

struct KserveBody {
  KserveRequest request;
  bool binary_by_default = false;  ///< outputs that do not say otherwise come as bytes
};

/// `header_length`: the value of Inference-Header-Content-Length; nothing: all is JSON. Throws
/// Error: kCorruptData (no JSON), kInvalidArgument (anything else).
[[nodiscard]] KserveBody parse_kserve_body(std::string_view body,
                                           std::optional<std::string_view> header_length);

struct KserveText {
  std::string body;
  std::optional<size_t> header_length;  ///< nothing: all is JSON
};

[[nodiscard]] KserveText print_kserve_response(const KserveResponse& response,
                                               const KserveBody& request);

}  // namespace tamis::serve
