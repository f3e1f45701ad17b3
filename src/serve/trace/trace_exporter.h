// Sends what requests took to a collector of OpenTelemetry traces.
//
// Is: which requests are kept, a queue with a bound, and a thread that posts it. Is not: the form
// (otlp_json), or HTTP (hub/transport). May use: core, hub/transport.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "hub/transport.h"
#include "serve/batching/server_options.h"
#include "serve/core/core.h"
#include "serve/trace/otlp_json.h"

namespace tamis::serve {

/// Of headers as OpenTelemetry's variables have them, "name=value,name=value": "name: value" each.
/// Throws Error (kInvalidArgument) for a part without "=", or with control characters.
[[nodiscard]] std::vector<std::string> otlp_headers(const std::string& text);

/// Thread-safe. Never keeps a request waiting: what the queue has no place for is dropped and
/// counted.
class TraceExporter {
 public:
  /// Requests that wait to be sent.
  static constexpr size_t kQueue = 4096;

  /// Sends to `options.endpoint` + "/v1/traces" over `transport`. Throws Error (kInvalidArgument):
  /// no URL of HTTP, headers as otlp_headers().
  TraceExporter(const TraceOptions& options, std::unique_ptr<hub::Transport> transport);
  /// Sends what waits, once, and ends: within about three seconds, whatever the collector does.
  ~TraceExporter();
  TraceExporter(const TraceExporter&) = delete;
  TraceExporter& operator=(const TraceExporter&) = delete;

  /// A request has ended. It is kept if its caller's trace is, or, where it has no caller with a
  /// trace, for the share of requests that the options say.
  void observe(const RequestReport& report);
  /// Requests that were kept and could not be sent.
  [[nodiscard]] uint64_t dropped() const;

 private:
  using Clock = std::chrono::steady_clock;

  /// False: it is not kept.
  bool begin(const std::string& traceparent, TraceSpan& span);
  void work() noexcept;
  void send(const std::vector<TraceSpan>& spans) noexcept;
  /// Why it was not taken; empty: it was.
  std::string post_with_patience(const std::vector<TraceSpan>& spans);
  /// True: nothing more to do with it.
  bool post(const std::string& body, std::string& failure);
  bool wait_ms(int64_t ms);
  bool count_lost(size_t count);

  TraceOptions options_;
  std::string url_;
  std::vector<std::string> headers_;
  std::unique_ptr<hub::Transport> transport_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::mt19937_64 random_;
  std::vector<TraceSpan> queue_;
  uint64_t dropped_ = 0;
  bool said_ = false;  ///< that something was dropped, since the last that was sent
  bool ending_ = false;
  Clock::time_point end_by_;  ///< once ending_
  std::thread thread_;
};

}  // namespace tamis::serve
