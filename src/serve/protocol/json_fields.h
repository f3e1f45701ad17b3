// Members of a request's JSON object, with the caller's mistakes named.
//
// Is: typed look-ups that count null as absent. Is not: a schema. May use: base.
//
// All throw Error{kInvalidArgument}: "`normalize` must be true or false".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace tamis::serve {

/// Throws unless the body is an object.
void check_object(JsonView body);
[[nodiscard]] std::optional<std::string_view> string_field(JsonView body, std::string_view key);
[[nodiscard]] std::string_view required_string(JsonView body, std::string_view key);
[[nodiscard]] std::optional<bool> bool_field(JsonView body, std::string_view key);
/// Whole numbers of at least `least`.
[[nodiscard]] std::optional<int64_t> int_field(JsonView body, std::string_view key, int64_t least);
[[nodiscard]] JsonView array_field(JsonView body, std::string_view key);
/// A list of strings.
[[nodiscard]] std::vector<std::string> strings_of(JsonView list, std::string_view key);
/// A list of token ids.
[[nodiscard]] std::vector<int32_t> ids_of(JsonView list, std::string_view key);

}  // namespace tamis::serve
