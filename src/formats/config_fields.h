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
#include "formats/config_file.h"

namespace tamis {

/// A value type; copies share the parsed file. A key that is absent or null has its default, but
/// a flag that is null is false. All readers throw Error{kCorruptData} naming file and key: another
/// kind of value, a value outside the limits.
class ConfigFields : public ConfigObject {
 public:
  /// A file without any key.
  ConfigFields() = default;
  ConfigFields(std::shared_ptr<const JsonDocument> document, std::string_view source)
      : ConfigObject(document->root(), std::string(source)), document_(std::move(document)) {}

  /// Of a file's text. Throws Error{kCorruptData}: not a JSON object.
  [[nodiscard]] static ConfigFields parse(std::string_view json, std::string_view source);

  [[nodiscard]] bool has(std::string_view key) const { return get(key).exists(); }
  /// The keys of the object under `key`, which is there; its source is "<source>: <key>". Throws
  /// kCorruptData if it is not an object.
  [[nodiscard]] ConfigFields inner(std::string_view key) const;
  /// A whole number from low to high.
  [[nodiscard]] int64_t integer(std::string_view key, int64_t otherwise, int64_t low,
                                int64_t high) const;
  /// A finite number from low to high.
  [[nodiscard]] double number(std::string_view key, double otherwise, double low,
                              double high) const;
  using ConfigObject::text;
  [[nodiscard]] std::string text(std::string_view key, std::string_view otherwise) const;
  /// Also throws kUnsupported for a name that is not built, naming those that are.
  [[nodiscard]] Activation activation(std::string_view key, std::string_view otherwise) const;

  /// Throws Error{kUnsupported}: "<source>: <key> <value> is not built; accepted are <accepted>".
  [[noreturn]] void refuse(std::string_view key, std::string_view value,
                           std::string_view accepted) const;

 private:
  ConfigFields(const ConfigObject& object, std::shared_ptr<const JsonDocument> document)
      : ConfigObject(object), document_(std::move(document)) {}

  std::shared_ptr<const JsonDocument> document_;
};

}  // namespace tamis
