// Answers as JSON.
#pragma once

#include <tamis/results.h>

#include <string>

namespace tamis {

/// The line that the command line prints of an answer, without its end: one object, whose floats
/// read back to the same bits.
[[nodiscard]] std::string to_json(const TaskResult& result);

}  // namespace tamis
