#include "formats/onnx/wire.h"

#include <bit>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/json.h"

namespace tamis::onnx {

static_assert(std::endian::native == std::endian::little, "protobuf is little-endian");

namespace {

constexpr int kVarintBits = 7;  // of a byte; the eighth says that another follows
constexpr size_t kMaxNameShown = 200;

size_t width_of(WireType type) { return type == WireType::kFixed64 ? 8 : 4; }

// The values of a varint list, or nothing if it is cut or over 64 bits.
std::optional<uint64_t> read_varint(std::span<const std::byte> bytes, size_t& at) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += kVarintBits) {
    if (at == bytes.size()) return std::nullopt;
    const auto byte = static_cast<uint64_t>(bytes[at++]);
    if (shift == 63 && byte > 1) return std::nullopt;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

}  // namespace

std::string Where::to_string() const {
  std::string text = parent == nullptr ? "" : parent->to_string() + ": ";
  text += label;
  if (index) text += cat(" ", *index);
  if (name != nullptr && !name->empty()) {
    text += cat(" ", json_quote(std::string_view(*name).substr(0, kMaxNameShown)));
  }
  return text;
}

void WireReader::corrupt(size_t offset, std::string_view what) const {
  fail(ErrorCode::kCorruptData, where_.to_string(), ": byte ", offset, ": ", what,
       where_.parent == nullptr ? "; the file is damaged or not an ONNX file" : "");
}

uint64_t WireReader::varint() {
  const size_t start = at_;
  const auto value = read_varint(bytes_, at_);
  if (!value) corrupt(start, "a number that is cut off or over 64 bits");
  return *value;
}

std::optional<WireField> WireReader::next() {
  if (at_ == bytes_.size()) return std::nullopt;
  WireField field;
  field.offset = at_;
  const uint64_t key = varint();
  const uint64_t number = key >> 3;
  if (number == 0 || number >> 29 != 0) corrupt(field.offset, cat("field number ", number));
  field.number = static_cast<uint32_t>(number);
  field.type = static_cast<WireType>(key & 7);
  switch (field.type) {
    case WireType::kVarint:
      field.value = varint();
      return field;
    case WireType::kFixed64:
    case WireType::kFixed32: {
      const size_t width = width_of(field.type);
      if (bytes_.size() - at_ < width) corrupt(field.offset, "a number that is cut off");
      std::memcpy(&field.value, bytes_.data() + at_, width);
      at_ += width;
      return field;
    }
    case WireType::kBytes: {
      const uint64_t size = varint();
      if (size > bytes_.size() - at_) {
        corrupt(field.offset, cat("field ", number, " of ", size, " bytes, but ",
                                  bytes_.size() - at_, " are left"));
      }
      field.bytes = bytes_.subspan(at_, size);
      at_ += size;
      return field;
    }
  }
  corrupt(field.offset, cat("field ", number, " has wire type ", key & 7));
}

void WireReader::require(const WireField& field, WireType type, std::string_view name) const {
  if (field.type == type) return;
  corrupt(field.offset, cat(name, " has wire type ", static_cast<int>(field.type), ", not ",
                            static_cast<int>(type)));
}

int64_t WireReader::integer(const WireField& field, std::string_view name) const {
  require(field, WireType::kVarint, name);
  return static_cast<int64_t>(field.value);
}

float WireReader::number(const WireField& field, std::string_view name) const {
  require(field, WireType::kFixed32, name);
  return std::bit_cast<float>(static_cast<uint32_t>(field.value));
}

std::span<const std::byte> WireReader::bytes(const WireField& field, std::string_view name) const {
  require(field, WireType::kBytes, name);
  return field.bytes;
}

std::string WireReader::text(const WireField& field, std::string_view name) const {
  const auto value = bytes(field, name);
  return {reinterpret_cast<const char*>(value.data()), value.size()};
}

void WireReader::integers(const WireField& field, std::string_view name,
                          std::vector<int64_t>& out) const {
  if (field.type == WireType::kVarint) {
    out.push_back(static_cast<int64_t>(field.value));
    return;
  }
  const auto packed = bytes(field, name);
  for (size_t at = 0; at < packed.size();) {
    const auto value = read_varint(packed, at);
    if (!value) corrupt(field.offset, cat(name, ": a number that is cut off or over 64 bits"));
    out.push_back(static_cast<int64_t>(*value));
  }
}

void WireReader::fixed(const WireField& field, std::string_view name, size_t width,
                       std::vector<std::byte>& out) const {
  std::span<const std::byte> values = field.bytes;
  if (field.type != WireType::kBytes) {
    require(field, width == 8 ? WireType::kFixed64 : WireType::kFixed32, name);
    values = std::as_bytes(std::span(&field.value, 1)).first(width);
  }
  if (values.size() % width != 0) {
    corrupt(field.offset, cat(name, ": ", values.size(), " bytes are no whole number of values"));
  }
  out.insert(out.end(), values.begin(), values.end());
}

std::string& WireWriter::tail() {
  if (pieces_.empty() || !pieces_.back().borrowed.empty()) pieces_.emplace_back();
  return pieces_.back().own;
}

void WireWriter::append(std::string_view bytes) {
  tail().append(bytes);
  size_ += bytes.size();
}

void WireWriter::varint(uint64_t value) {
  char buffer[10];
  size_t count = 0;
  for (; value >= 0x80; value >>= kVarintBits) {
    buffer[count++] = static_cast<char>((value & 0x7f) | 0x80);
  }
  buffer[count++] = static_cast<char>(value);
  append({buffer, count});
}

void WireWriter::tag(uint32_t field, WireType type) {
  varint((uint64_t{field} << 3) | static_cast<uint64_t>(type));
}

void WireWriter::integer(uint32_t field, int64_t value) {
  tag(field, WireType::kVarint);
  varint(static_cast<uint64_t>(value));
}

void WireWriter::number(uint32_t field, float value) {
  tag(field, WireType::kFixed32);
  append({reinterpret_cast<const char*>(&value), sizeof(value)});
}

void WireWriter::text(uint32_t field, std::string_view value) {
  tag(field, WireType::kBytes);
  varint(value.size());
  append(value);
}

void WireWriter::message(uint32_t field, WireWriter&& child) {
  tag(field, WireType::kBytes);
  varint(child.size_);
  size_ += child.size_;
  for (Piece& piece : child.pieces_) {
    tail().append(piece.own);
    pieces_.back().borrowed = piece.borrowed;
  }
}

void WireWriter::packed(uint32_t field, std::span<const int64_t> values) {
  WireWriter list;
  for (const int64_t value : values) list.varint(static_cast<uint64_t>(value));
  message(field, std::move(list));
}

void WireWriter::packed(uint32_t field, std::span<const float> values) {
  text(field, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

void WireWriter::borrow(uint32_t field, std::span<const std::byte> value) {
  tag(field, WireType::kBytes);
  varint(value.size());
  tail();
  pieces_.back().borrowed = {reinterpret_cast<const char*>(value.data()), value.size()};
  size_ += value.size();
}

std::vector<std::string_view> WireWriter::pieces() const {
  std::vector<std::string_view> views;
  for (const Piece& piece : pieces_) {
    views.emplace_back(piece.own);
    if (!piece.borrowed.empty()) views.push_back(piece.borrowed);
  }
  return views;
}

std::string WireWriter::joined() const {
  std::string bytes;
  bytes.reserve(size_);
  for (const std::string_view piece : pieces()) bytes.append(piece);
  return bytes;
}

}  // namespace tamis::onnx
