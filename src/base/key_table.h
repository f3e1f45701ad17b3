// Which keys of a JSON file are read, which do not matter, and which the program cannot honor.
//
// Is: one table a file, and the walk that holds a file against it, so that no key is passed over in
// silence. Is not: the reading of the values. May use: error, json, log.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/json.h"

namespace tamis {

enum class KeyUse : uint8_t {
  kHonored,   ///< its reader looks at it
  kHarmless,  ///< no answer depends on it
  kRefused,   ///< an answer depends on it and it is not built, but for the values in `accepted`
};

/// One key of a file. Make rows with honored(), harmless() and refused().
struct KeyRow {
  /// "*_token" covers every key with that ending that no other row names.
  std::string_view key;
  KeyUse use = KeyUse::kHonored;
  /// Of a refused key: why it is, in the form "... is not built".
  std::string_view reason = {};
  /// Values of a refused key that change nothing, as JSON text without spaces: `false`, `"gelu"`,
  /// `{}`. null is always one of them.
  std::array<std::string_view, 4> accepted = {};
};

[[nodiscard]] constexpr KeyRow honored(std::string_view key) { return {key, KeyUse::kHonored}; }
[[nodiscard]] constexpr KeyRow harmless(std::string_view key) { return {key, KeyUse::kHarmless}; }
[[nodiscard]] constexpr KeyRow refused(std::string_view key, std::string_view reason,
                                       std::array<std::string_view, 4> accepted = {}) {
  return {key, KeyUse::kRefused, reason, accepted};
}

/// False if a key stands in two rows; for a static_assert beside each table.
[[nodiscard]] constexpr bool keys_are_distinct(std::span<const KeyRow> table) {
  for (size_t i = 0; i < table.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (table[i].key == table[j].key) return false;
    }
  }
  return true;
}

/// Holds the members of `object`, read from the file `source`, against the file's table. A key in
/// no row: one warning in the log, naming file and key (of more than kMaxKeyWarnings such keys the
/// rest are counted in one). A refused key whose value is neither null nor accepted: throws
/// Error{kUnsupported} naming file, key, value, reason and what is accepted. Does nothing for a
/// value that is not an object.
void check_keys(JsonView object, std::string_view source, std::span<const KeyRow> table);

inline constexpr size_t kMaxKeyWarnings = 20;

}  // namespace tamis
