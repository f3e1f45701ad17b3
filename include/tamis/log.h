// What the library has to say beside its answers: warnings about a model's files, for instance.
#pragma once

#include <functional>
#include <string_view>

namespace tamis {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

using LogSink = std::function<void(LogLevel, std::string_view)>;

/// Replaces the sink of all messages of the process; an empty one silences, which is the default.
/// Messages may come from any thread that uses the library, one at a time or not. Thread-safe.
void set_log_sink(LogSink sink);

}  // namespace tamis
