// Messages for the person running the program.
//
// The library never prints: it calls log(), and a program that embeds it may set a sink
// (<tamis/log.h>). Thread-safe.
#pragma once

#include <tamis/log.h>

namespace tamis {

/// Hands the message to the sink; drops it while none is set.
void log(LogLevel level, std::string_view message);

}  // namespace tamis
