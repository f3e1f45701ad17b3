// What a catch block was given, as an Error.
//
// Is: the one place that tells a lack of memory from a fault of ours. Is not: a status or a body
// (dialect). May use: base.
#pragma once

#include "base/error.h"

namespace tamis::serve {

/// The exception that is being handled; to be called in a catch block. std::bad_alloc is
/// kOutOfMemory, and so is an exception whose text there is no memory to copy. Allocates nothing
/// then.
[[nodiscard]] Error current_error() noexcept;

/// "out of memory", made when the program starts: a copy allocates nothing.
[[nodiscard]] const Error& out_of_memory() noexcept;

}  // namespace tamis::serve
