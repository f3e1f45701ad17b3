// Log lines to a descriptor that may be slow, full or closed.
//
// Is: a bounded queue and a thread that writes. Is not: a log's form (http_filters). May use: base.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace tamis::serve {

/// Thread-safe.
class LogWriter {
 public:
  /// Up to `max_bytes` wait to be written; what comes on top is dropped and counted, and a line
  /// says so once there is room. A descriptor that nobody reads any more takes everything silently:
  /// SIGPIPE is blocked on the thread that writes.
  explicit LogWriter(int descriptor, size_t max_bytes = size_t{1} << 20);
  /// As flush(1000). A thread that a full pipe holds is left behind.
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  /// Adds a line, with its line feed. Never waits for the descriptor.
  void write(std::string_view line);
  /// Waits until everything is written; false: it took longer.
  bool flush(int64_t timeout_ms);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tamis::serve
