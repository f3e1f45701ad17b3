// Spans in the JSON form of OpenTelemetry's protocol (OTLP/HTTP, opentelemetry-proto 1).
//
// Is: what an ended request looks like there. Is not: sending (trace_exporter). May use: base,
// trace_context.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "serve/trace/trace_context.h"

namespace tamis::serve {

/// A part of a request's time.
struct TraceStage {
  const char* name = "";
  SpanId id = {};
  int64_t us = 0;
};

/// A request that has ended.
struct TraceSpan {
  TraceId trace = {};
  SpanId id = {};
  SpanId parent = {};  ///< zeros: it has none
  std::string name;
  int64_t start_ns = 0;  ///< since 1970
  int64_t end_ns = 0;
  std::string request;
  std::string model;
  std::string version;
  int64_t inputs = 0;
  int64_t tokens = 0;
  std::string error;  ///< empty: it was answered
  /// One behind the other from start_ns on; what they leave is decoding and printing.
  std::vector<TraceStage> stages;
};

/// The body of POST /v1/traces.
[[nodiscard]] std::string otlp_json(std::span<const TraceSpan> spans, const std::string& service);

}  // namespace tamis::serve
