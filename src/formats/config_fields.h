// Keys of a config.json by name, each read with its default and its limits.
//
// Is: what ModelConfig reads its fields with, and what a family's file in models reads its own with
// (rotary bases, windows, buckets). Is not: the table of known keys (hf_config_keys.h,
// hf_families.h). May use: base.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/activation.h"
#include "base/error.h"
#include "base/json.h"

namespace tamis {

/// A value type; copies share the parsed file. A key that is absent or null has its default. All
/// readers throw Error{kCorruptData} naming file and key: another kind of value, a value outside
/// the limits.
class ConfigFields {
 public:
  /// A file without any key.
  ConfigFields() = default;
  ConfigFields(std::shared_ptr<const JsonDocument> document, std::string_view source)
      : document_(std::move(document)), root_(document_->root()), source_(source) {}

  /// The value, absent also where the file says null.
  [[nodiscard]] JsonView get(std::string_view key) const {
    const JsonView value = root_.get(key);
    return value.is_null() ? JsonView() : value;
  }
  [[nodiscard]] bool has(std::string_view key) const { return get(key).exists(); }
  [[nodiscard]] JsonView root() const { return root_; }
  [[nodiscard]] const std::string& source() const { return source_; }
  /// "config.json: <key>", for messages.
  [[nodiscard]] std::string what(std::string_view key) const { return cat(source_, ": ", key); }

  [[nodiscard]] bool flag(std::string_view key, bool otherwise) const;
  /// A whole number from low to high.
  [[nodiscard]] int64_t integer(std::string_view key, int64_t otherwise, int64_t low,
                                int64_t high) const;
  /// A finite number from low to high.
  [[nodiscard]] double number(std::string_view key, double otherwise, double low,
                              double high) const;
  [[nodiscard]] std::string text(std::string_view key, std::string_view otherwise) const;
  /// Also throws kUnsupported for a name that is not built, naming those that are.
  [[nodiscard]] Activation activation(std::string_view key, std::string_view otherwise) const;

  /// Throws Error{kUnsupported}: "<source>: <key> <value> is not built; accepted are <accepted>".
  [[noreturn]] void refuse(std::string_view key, std::string_view value,
                           std::string_view accepted) const;

 private:
  std::shared_ptr<const JsonDocument> document_;
  JsonView root_;
  std::string source_ = "config.json";
};

}  // namespace tamis
