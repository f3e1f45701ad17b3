// Values of options that are one of a few names.
//
// Is: the reading of such a value. Is not: the tables, which stand beside their types. May use:
// base.
#pragma once

#include <string_view>

#include "base/error.h"
#include "base/named.h"

namespace tamis::cli {

/// What the value of `option` names. Throws Error{kInvalidArgument} listing the names.
template <typename T, size_t N>
[[nodiscard]] T choice(std::string_view option, std::string_view value, const Named<T> (&rows)[N]) {
  if (const auto found = value_named(rows, value)) return *found;
  fail(ErrorCode::kInvalidArgument, option, " ", value, ": must be ", names_in(rows));
}

}  // namespace tamis::cli
