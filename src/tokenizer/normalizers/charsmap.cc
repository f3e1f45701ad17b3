#include "tokenizer/normalizers/charsmap.h"

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace tamis::tokenizer {

namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// A darts-clone unit: bits 0-7 label, bit 8 "has a value", bit 9 "offset is in 256s", bits 10-30
// offset to the children, bit 31 set for the unit that holds a value.
bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t label(uint32_t unit) { return unit & (1u << 31 | 0xFF); }
uint64_t offset(uint32_t unit) {
  return static_cast<uint64_t>(unit >> 10) << ((unit & 1u << 9) >> 6);
}
uint32_t value(uint32_t unit) { return unit & ((1u << 31) - 1); }

}  // namespace

Charsmap Charsmap::parse(std::string_view bytes, const std::string& where) {
  uint32_t trie_bytes = 0;
  if (bytes.size() < sizeof(trie_bytes)) {
    fail(ErrorCode::kCorruptData, where, ": charsmap of ", bytes.size(), " bytes has no header");
  }
  __builtin_memcpy(&trie_bytes, bytes.data(), sizeof(trie_bytes));
  bytes.remove_prefix(sizeof(trie_bytes));
  const size_t units = trie_bytes / 4;
  if (units == 0 || units * 4 > bytes.size()) {
    fail(ErrorCode::kCorruptData, where, ": charsmap says its trie has ", trie_bytes,
         " bytes, but ", bytes.size(), " follow");
  }
  Charsmap map;
  map.units_.resize(units);
  __builtin_memcpy(map.units_.data(), bytes.data(), units * 4);
  map.replacements_ = bytes.substr(units * 4);
  if (find_invalid_utf8(map.replacements_) != std::string_view::npos) {
    fail(ErrorCode::kCorruptData, where, ": the charsmap's replacements are not UTF-8");
  }
  return map;
}

std::optional<std::string_view> Charsmap::find(std::string_view text) const {
  uint64_t node = offset(units_[0]);
  for (const char byte : text) {
    const auto wanted = static_cast<unsigned char>(byte);
    if (wanted == 0) return std::nullopt;
    node ^= wanted;
    if (node >= units_.size()) return std::nullopt;
    const uint32_t unit = units_[node];
    if (label(unit) != wanted) return std::nullopt;
    node ^= offset(unit);
    if (!has_leaf(unit)) continue;
    if (node >= units_.size()) return std::nullopt;
    const size_t begin = value(units_[node]);
    if (begin > replacements_.size()) return std::nullopt;
    if (begin < replacements_.size() && is_continuation(replacements_[begin])) return std::nullopt;
    const std::string_view rest = std::string_view(replacements_).substr(begin);
    return rest.substr(0, rest.find('\0'));
  }
  return std::nullopt;
}

std::string decode_base64(std::string_view text, const std::string& where) {
  std::string out;
  if (text.size() % 4 != 0) {
    fail(ErrorCode::kCorruptData, where, ": base64 text of ", text.size(),
         " characters is not a multiple of 4");
  }
  size_t padding = 0;
  while (padding < 2 && !text.empty() && text.back() == '=') {
    text.remove_suffix(1);
    ++padding;
  }
  out.reserve(text.size() / 4 * 3 + 3);
  uint32_t bits = 0;
  int count = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t digit = kBase64.find(text[i]);
    if (digit == std::string_view::npos) {
      fail(ErrorCode::kCorruptData, where, ": character ", i, " is not base64");
    }
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count & 0xFF);
    }
  }
  return out;
}

}  // namespace tamis::tokenizer
