// Values that a user names.
//
// Is: tables of names and what they stand for. Is not: where a name is read from. May use: nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tamis {

/// A row of such a table.
template <typename T>
struct Named {
  std::string_view name;
  T value;
};

/// The value of that name.
template <typename T, size_t N>
[[nodiscard]] constexpr std::optional<T> value_named(const Named<T> (&rows)[N],
                                                     std::string_view name) {
  for (const Named<T>& row : rows) {
    if (row.name == name) return row.value;
  }
  return std::nullopt;
}

/// The name of a value; "" of one that has none.
template <typename T, size_t N>
[[nodiscard]] constexpr std::string_view name_of(const Named<T> (&rows)[N], const T& value) {
  for (const Named<T>& row : rows) {
    if (row.value == value) return row.name;
  }
  return {};
}

/// "a, b or c", or with another word before the last.
template <typename T, size_t N>
[[nodiscard]] std::string names_in(const Named<T> (&rows)[N], std::string_view last = " or ") {
  std::string names;
  for (size_t i = 0; i < N; ++i) {
    names += i == 0 ? "" : i + 1 == N ? last : ", ";
    names += rows[i].name;
  }
  return names;
}

}  // namespace tamis
