// What the server counts of connections and callers, for metrics.
//
// Is: plain data. Is not: the server. May use: nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tamis::serve {

struct HttpServerCounts {
  int64_t connections = 0;  ///< open now
  uint64_t accepted = 0;
  uint64_t timed_out = 0;  ///< closed for being idle or slow
};

/// What was asked with the API key of that name.
struct KeyCount {
  std::string name;
  uint64_t allowed = 0;
  uint64_t limited = 0;  ///< refused, as it had asked too often
};

struct ServerCounts {
  HttpServerCounts http;
  std::vector<KeyCount> keys;
  std::optional<uint64_t> traces_dropped;  ///< nothing: none are sent
};

}  // namespace tamis::serve
