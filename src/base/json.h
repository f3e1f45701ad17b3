// Reading JSON with limits, writing JSON that round-trips.
//
// Is: the one place that knows the JSON library. Reading refuses what is too deep, too large, not
// UTF-8, or has a key twice in one object. Is not: a schema validator. May use: error.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tamis {

enum class JsonKind : uint8_t { kNull, kBool, kInt, kDouble, kString, kArray, kObject };

struct JsonNode;

/// A borrowed value of a JsonDocument; copy freely, valid while the document lives. A
/// default-constructed view stands for "absent".
///
/// The as_...() accessors throw Error{kCorruptData} naming `what` and the kind found.
class JsonView {
 public:
  struct Member;

  JsonView() = default;
  explicit JsonView(const JsonNode* node) : node_(node) {}

  /// False for an absent member.
  [[nodiscard]] bool exists() const { return node_ != nullptr; }
  [[nodiscard]] explicit operator bool() const { return exists(); }
  [[nodiscard]] JsonKind kind() const;
  [[nodiscard]] bool is_null() const { return !exists() || kind() == JsonKind::kNull; }
  [[nodiscard]] bool is_string() const { return exists() && kind() == JsonKind::kString; }
  [[nodiscard]] bool is_bool() const { return exists() && kind() == JsonKind::kBool; }
  [[nodiscard]] bool is_int() const { return exists() && kind() == JsonKind::kInt; }
  [[nodiscard]] bool is_number() const;
  [[nodiscard]] bool is_array() const { return exists() && kind() == JsonKind::kArray; }
  [[nodiscard]] bool is_object() const { return exists() && kind() == JsonKind::kObject; }

  [[nodiscard]] bool as_bool(std::string_view what) const;
  [[nodiscard]] int64_t as_int(std::string_view what) const;
  [[nodiscard]] double as_double(std::string_view what) const;
  [[nodiscard]] std::string_view as_string(std::string_view what) const;
  /// Itself, whose elements or members may be asked for.
  [[nodiscard]] JsonView as_array(std::string_view what) const;
  [[nodiscard]] JsonView as_object(std::string_view what) const;

  /// Elements of an array or members of an object; 0 for anything else.
  [[nodiscard]] size_t size() const;
  /// Element i of an array, i < size().
  [[nodiscard]] JsonView at(size_t i) const;
  /// Member i of an object in file order, i < size().
  [[nodiscard]] Member member(size_t i) const;
  /// The member of that key, absent if there is none or this is not an object. Linear in size().
  [[nodiscard]] JsonView get(std::string_view key) const;

 private:
  const JsonNode* node_ = nullptr;
};

struct JsonView::Member {
  std::string_view key;
  JsonView value;
};

struct JsonLimits {
  size_t max_depth = 64;
  size_t max_bytes = size_t{1} << 30;
  /// Reads NaN, Infinity and -Infinity, which Python writes, as doubles; else they are named in the
  /// error.
  bool python_numbers = false;
};

/// Owns a parsed text. Immutable after parse(), so safe to read from any thread.
class JsonDocument {
 public:
  /// Parses UTF-8 `text`. Integers that fit int64 stay integers, other numbers are doubles.
  /// Throws Error{kCorruptData}: "<source>: ...".
  [[nodiscard]] static JsonDocument parse(std::string_view text, std::string_view source,
                                          const JsonLimits& limits = {});
  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;
  ~JsonDocument();

  [[nodiscard]] JsonView root() const;

 private:
  struct Impl;
  explicit JsonDocument(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Writes one JSON text. Floats print the shortest digits that read back to the same float32 (or
/// double); non-finite numbers print as null. Not thread-safe.
class JsonWriter {
 public:
  /// indent = 0: one line; otherwise that many spaces a level.
  explicit JsonWriter(int indent = 0) : indent_(indent) {}

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(bool flag);
  JsonWriter& value(int number) { return value(static_cast<int64_t>(number)); }
  JsonWriter& value(int64_t number);
  JsonWriter& value(uint64_t number);
  JsonWriter& value(float number);
  JsonWriter& value(double number);
  JsonWriter& null();
  JsonWriter& array(std::span<const float> numbers);
  JsonWriter& array(std::span<const int32_t> numbers);
  /// Re-emits a parsed value.
  JsonWriter& value(const JsonView& view);

  template <typename T>
  JsonWriter& member(std::string_view name, const T& item) {
    key(name);
    return value(item);
  }

  [[nodiscard]] const std::string& str() const { return out_; }
  /// Hands the text out and starts anew.
  [[nodiscard]] std::string take();

 private:
  void before_value();
  void newline();

  std::string out_;
  std::vector<bool> has_items_;
  int indent_;
  bool after_key_ = false;
};

/// `text` as a JSON string with its quotes.
[[nodiscard]] std::string json_quote(std::string_view text);

}  // namespace tamis
