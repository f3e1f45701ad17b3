// Fields of tokenizer.json objects, with errors that name the place.
//
// Is: a few helpers over JsonView. Is not: a schema. May use: base.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace tamis::tokenizer {

/// Member `key` of `object`; throws Error{kCorruptData} if it is not there.
[[nodiscard]] JsonView field(const JsonView& object, std::string_view key,
                             const std::string& where);
[[nodiscard]] std::string_view string_field(const JsonView& object, std::string_view key,
                                            const std::string& where);
[[nodiscard]] JsonView array_field(const JsonView& object, std::string_view key,
                                   const std::string& where);
[[nodiscard]] bool bool_field(const JsonView& object, std::string_view key,
                              const std::string& where);
/// `fallback` if the member is absent or null.
[[nodiscard]] bool bool_field_or(const JsonView& object, std::string_view key, bool fallback,
                                 const std::string& where);
[[nodiscard]] std::string_view string_field_or(const JsonView& object, std::string_view key,
                                               std::string_view fallback, const std::string& where);
[[nodiscard]] int64_t int_field(const JsonView& object, std::string_view key,
                                const std::string& where);
/// A string of exactly one code point.
[[nodiscard]] char32_t char_field(const JsonView& object, std::string_view key,
                                  const std::string& where);

/// Throws Error{kUnsupported}.
[[noreturn]] void fail_unknown_type(const std::string& where, std::string_view kind,
                                    std::string_view type);

}  // namespace tamis::tokenizer
