#include "base/log.h"

#include <mutex>
#include <utility>

namespace tamis {

namespace {

struct SinkSlot {
  std::mutex mutex;
  LogSink sink;
};

SinkSlot& slot() {
  static SinkSlot instance;
  return instance;
}

}  // namespace

void log(LogLevel level, std::string_view message) {
  LogSink sink;
  {
    const std::lock_guard lock(slot().mutex);
    sink = slot().sink;
  }
  if (sink) sink(level, message);
}

void set_log_sink(LogSink sink) {
  const std::lock_guard lock(slot().mutex);
  slot().sink = std::move(sink);
}

}  // namespace tamis
