// A JSON object in a side file, with messages that name the file and the key.
//
// Is: typed access and the walk over the file's table of keys. Is not: the meaning of any key. May
// use: base.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/key_table.h"

namespace tamis {

/// A view of one object, which may lie inside a file; valid while its document lives.
class ConfigObject {
 public:
  /// Without any key.
  ConfigObject() = default;
  /// Throws Error{kCorruptData} if it is not an object.
  ConfigObject(JsonView object, std::string source);

  [[nodiscard]] const std::string& source() const { return source_; }
  [[nodiscard]] std::string what(std::string_view key) const;
  [[nodiscard]] JsonView view() const { return object_; }

  /// Absent also where the file says null.
  [[nodiscard]] JsonView get(std::string_view key) const;
  /// `otherwise` where the key is absent; null is false, as None is where Python asks `if`.
  [[nodiscard]] bool flag(std::string_view key, bool otherwise) const;
  [[nodiscard]] std::optional<std::string> text(std::string_view key) const;
  /// 1 to `most`.
  [[nodiscard]] std::optional<int64_t> count(std::string_view key, int64_t most) const;
  /// The object of that key, nothing if it is absent.
  [[nodiscard]] std::optional<ConfigObject> object(std::string_view key) const;
  /// check_keys() of this object.
  void check(std::span<const KeyRow> table) const { check_keys(object_, source_, table); }

 private:
  JsonView object_;
  std::string source_ = "config.json";
};

/// A file that holds one object. Throws Error: what read_file() and JsonDocument::parse() throw.
class ConfigFile {
 public:
  ConfigFile(std::string_view json, std::string source);
  explicit ConfigFile(const std::filesystem::path& path);

  [[nodiscard]] const ConfigObject* operator->() const { return &root_; }
  [[nodiscard]] const ConfigObject& root() const { return root_; }

 private:
  JsonDocument document_;
  ConfigObject root_;
};

}  // namespace tamis
