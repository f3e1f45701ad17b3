// What the HTTP server counts, for metrics.
//
// Is: plain data. Is not: the server. May use: nothing.
#pragma once

#include <cstdint>

namespace tamis::serve {

struct HttpServerCounts {
  int64_t connections = 0;  ///< open now
  uint64_t accepted = 0;
  uint64_t timed_out = 0;  ///< closed for being idle or slow
};

}  // namespace tamis::serve
