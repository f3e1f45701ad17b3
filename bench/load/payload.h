// The requests of each dialect, made once before the clock starts.
//
// Is: bytes for a transport. Is not: sending. May use: base.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tamis::load {

struct PayloadOptions {
  std::string dialect = "tei";  ///< tei, openai, kserve-json, kserve-binary, grpc or get
  std::string model;            ///< empty: none is named (KServe and gRPC need one)
  std::string path;             ///< empty: the dialect's own
  std::string api_key;
  int64_t batch = 1;       ///< texts of a request
  int64_t timeout_us = 0;  ///< KServe and gRPC: the parameter `timeout`; 0: none
  int64_t priority = 0;    ///< KServe and gRPC
};

[[nodiscard]] bool is_grpc(const PayloadOptions& options);

/// One payload for each `batch` texts. HTTP dialects: whole requests. gRPC: serialised
/// ModelInferRequests. Throws Error{kInvalidArgument} for a dialect that there is none of.
[[nodiscard]] std::vector<std::string> make_payloads(const std::vector<std::string>& texts,
                                                     const PayloadOptions& options);

/// Texts as a KServe BYTES tensor: each behind its length, uint32 little-endian.
[[nodiscard]] std::string bytes_tensor(const std::vector<std::string>& texts);

#ifdef TAMIS_LOAD_GRPC
/// A serialised inference.ModelInferRequest.
[[nodiscard]] std::string grpc_payload(const std::vector<std::string>& texts,
                                       const PayloadOptions& options);
#endif

}  // namespace tamis::load
