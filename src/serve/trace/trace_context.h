// W3C Trace Context: the trace that a request belongs to.
//
// Is: the syntax of `traceparent`. Is not: what becomes of it (trace_exporter). May use: the
// standard library.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tamis::serve {

using TraceId = std::array<uint8_t, 16>;
using SpanId = std::array<uint8_t, 8>;

struct TraceParent {
  TraceId trace = {};
  SpanId span = {};      ///< the caller's
  bool sampled = false;  ///< the caller's trace is kept
};

/// "VERSION-TRACE-SPAN-FLAGS" in lower-case hexadecimal digits; of a later version than 00 the
/// beginning counts. Nothing for what is none: then the trace begins here.
[[nodiscard]] std::optional<TraceParent> parse_traceparent(std::string_view text);

/// Two lower-case digits a byte.
[[nodiscard]] std::string hexadecimal(const uint8_t* bytes, size_t count);

}  // namespace tamis::serve
