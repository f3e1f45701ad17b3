// A way to send requests and hear of their answers.
//
// Is: the seam between the driver, which keeps time, and HTTP or gRPC. Is not: thread-safe: one
// thread does all. May use: base.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tamis::load {

/// A request that ended.
struct Completion {
  size_t slot = 0;
  int status = 0;  ///< of HTTP, or gRPC's code; -1: the connection broke
  size_t bytes = 0;
};

/// `slots` requests can be under way at once, one a slot.
class Transport {
 public:
  virtual ~Transport() = default;
  /// Sends payload number `payload` in a slot that is free.
  virtual void send(size_t slot, size_t payload) = 0;
  /// Waits for completions until the time, at most; appends them.
  virtual void poll(int64_t until_ns, std::vector<Completion>& completions) = 0;
  /// True for what the server answered well.
  [[nodiscard]] virtual bool is_success(int status) const = 0;
  /// True for a refusal of an overloaded server.
  [[nodiscard]] virtual bool is_refusal(int status) const = 0;
};

/// Steady time.
[[nodiscard]] int64_t now_ns();

struct Target {
  std::string host = "127.0.0.1";
  uint16_t port = 8000;
  size_t slots = 1;
};

/// One keep-alive connection a slot; the payloads are whole HTTP/1.1 requests. Throws
/// Error{kUnavailable} if nothing listens.
[[nodiscard]] std::unique_ptr<Transport> make_http_transport(const Target& target,
                                                             std::vector<std::string> payloads);

#ifdef TAMIS_LOAD_GRPC
/// One HTTP/2 connection a slot; the payloads are serialised messages of `method`
/// ("/inference.GRPCInferenceService/ModelInfer"). The key goes into the metadata if there is one.
[[nodiscard]] std::unique_ptr<Transport> make_grpc_transport(
    const Target& target, const std::string& method, const std::string& api_key,
    const std::vector<std::string>& payloads);
#endif

}  // namespace tamis::load
