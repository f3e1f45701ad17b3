// When requests are sent, and what came of them.
//
// Is: closed and open loops over a transport, with the figures. Is not: a protocol. May use:
// transport.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "load/transport.h"

namespace tamis::load {

struct LoadOptions {
  int64_t slots = 1;
  int64_t payloads = 1;
  int64_t warmup_ms = 1000;
  int64_t duration_ms = 5000;
  /// Requests a second, sent whether or not earlier ones were answered (as long as a slot is
  /// free); 0: each slot sends again as soon as it is answered.
  int64_t rate = 0;
  /// How long what is under way at the end is waited for.
  int64_t grace_ms = 10'000;
  /// Ends sooner, after so many requests; 0: never.
  int64_t requests = 0;
};

/// Latencies of one kind of answer, in ms. Open loop: from the time that the request was meant to
/// be sent.
struct Latency {
  int64_t count = 0;
  double mean = 0;
  double p50 = 0;
  double p95 = 0;
  double p99 = 0;
  double max = 0;
};

struct LoadFigures {
  double seconds = 0;               ///< measured, without the warm-up
  double per_second = 0;            ///< answers of success
  Latency success;                  ///< of requests meant to be sent behind the warm-up
  Latency refused;                  ///< 429, 503 or gRPC's words for them
  std::map<int, int64_t> statuses;  ///< of all requests, warm-up too; -1: the connection broke
  int64_t unanswered = 0;           ///< still under way behind the grace
  int64_t unsent = 0;               ///< open loop: their time came and no slot was free
  int64_t bytes = 0;
  double own_cpu_seconds = 0;  ///< of this process in the measured time
};

[[nodiscard]] LoadFigures run_load(Transport& transport, const LoadOptions& options);

/// By nearest rank; reorders `ns`.
[[nodiscard]] Latency latency_of(std::vector<int64_t>& ns);

}  // namespace tamis::load
