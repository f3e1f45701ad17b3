// Messages for the person running the program, on standard error.
//
// The library never prints: it calls log(), and whoever embeds it may set another sink.
// Thread-safe.
#pragma once

#include <functional>
#include <string_view>

namespace tamis {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

using LogSink = std::function<void(LogLevel, std::string_view)>;

/// Hands the message to the sink; drops it while none is set.
void log(LogLevel level, std::string_view message);

/// Replaces the sink; an empty one silences.
void set_log_sink(LogSink sink);

}  // namespace tamis
