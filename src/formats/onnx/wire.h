// Protobuf's wire format: fields of a message, one after the other.
//
// Is: a reader that borrows the bytes and a writer that borrows large ones. Is not: a schema
// (onnx_model.h), or a decoder of groups, which ONNX has none of. May use: base.
// Source: https://protobuf.dev/programming-guides/encoding
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tamis::onnx {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

/// Where in a file a message lies, for messages: "model.onnx: graph: node 12 \"Add_3\"". A chain of
/// the callers' own objects.
struct Where {
  const Where* parent = nullptr;
  std::string_view label;             ///< "graph", "node"; of the first: the file
  std::optional<size_t> index = {};   ///< of a repeated field
  const std::string* name = nullptr;  ///< of the message, where it is known by now

  [[nodiscard]] std::string to_string() const;
};

/// One field of a message.
struct WireField {
  uint32_t number = 0;
  WireType type = WireType::kVarint;
  uint64_t value = 0;                ///< of a varint or a fixed number
  std::span<const std::byte> bytes;  ///< of kBytes
  size_t offset = 0;                 ///< of its first byte, in the message
};

/// Not thread-safe. Borrows bytes and place. Throws Error{kCorruptData} naming the place and the
/// offset in the message: a field that ends past the bytes, a varint over 64 bits, a field number
/// or wire type that the format has not.
class WireReader {
 public:
  WireReader(std::span<const std::byte> bytes, const Where& where) : bytes_(bytes), where_(where) {}

  /// Nothing behind the last field.
  [[nodiscard]] std::optional<WireField> next();

  /// The field as what the schema says; throws Error{kCorruptData} naming `field` if its wire type
  /// is another.
  [[nodiscard]] int64_t integer(const WireField& field, std::string_view name) const;
  [[nodiscard]] float number(const WireField& field, std::string_view name) const;
  [[nodiscard]] std::span<const std::byte> bytes(const WireField& field,
                                                 std::string_view name) const;
  [[nodiscard]] std::string text(const WireField& field, std::string_view name) const;

  /// Adds the values of a repeated field, packed or not.
  void integers(const WireField& field, std::string_view name, std::vector<int64_t>& out) const;
  /// The same for fixed numbers of 4 or 8 bytes: their bytes.
  void fixed(const WireField& field, std::string_view name, size_t width,
             std::vector<std::byte>& out) const;

 private:
  [[noreturn]] void corrupt(size_t offset, std::string_view what) const;
  void require(const WireField& field, WireType type, std::string_view name) const;
  uint64_t varint();

  std::span<const std::byte> bytes_;
  const Where& where_;
  size_t at_ = 0;
};

/// A message under construction. Bytes given to borrow() are not copied and must outlive it.
class WireWriter {
 public:
  void integer(uint32_t field, int64_t value);
  void number(uint32_t field, float value);
  void text(uint32_t field, std::string_view value);
  void message(uint32_t field, WireWriter&& child);
  void packed(uint32_t field, std::span<const int64_t> values);
  void packed(uint32_t field, std::span<const float> values);
  void borrow(uint32_t field, std::span<const std::byte> value);

  [[nodiscard]] size_t size() const { return size_; }
  /// The message, in pieces that lie one behind the other; valid until the writer changes.
  [[nodiscard]] std::vector<std::string_view> pieces() const;
  [[nodiscard]] std::string joined() const;

 private:
  struct Piece {
    std::string own;
    std::string_view borrowed;  ///< stands behind `own`
  };

  std::string& tail();
  void append(std::string_view bytes);
  void varint(uint64_t value);
  void tag(uint32_t field, WireType type);

  std::vector<Piece> pieces_;
  size_t size_ = 0;
};

}  // namespace tamis::onnx
