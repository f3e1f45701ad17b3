#include "serve/trace/trace_context.h"

#include <algorithm>

namespace tamis::serve {

namespace {

constexpr size_t kLength = 55;  // 2 + 32 + 16 + 2 digits and three dashes
constexpr std::string_view kDigits = "0123456789abcdef";

// False: a character is no digit.
bool read_bytes(std::string_view text, uint8_t* bytes) {
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t digit = kDigits.find(text[i]);
    if (digit == kDigits.npos) return false;
    bytes[i / 2] = static_cast<uint8_t>((bytes[i / 2] << 4) | digit);
  }
  return true;
}

template <typename Id>
bool is_zero(const Id& id) {
  return std::all_of(id.begin(), id.end(), [](uint8_t byte) { return byte == 0; });
}

}  // namespace

std::optional<TraceParent> parse_traceparent(std::string_view text) {
  if (text.size() < kLength) return std::nullopt;
  uint8_t version = 0;
  uint8_t flags = 0;
  TraceParent parent;
  const bool dashes = text[2] == '-' && text[35] == '-' && text[52] == '-';
  const bool digits = read_bytes(text.substr(0, 2), &version) &&
                      read_bytes(text.substr(3, 32), parent.trace.data()) &&
                      read_bytes(text.substr(36, 16), parent.span.data()) &&
                      read_bytes(text.substr(53, 2), &flags);
  if (!dashes || !digits || version == 0xff) return std::nullopt;
  // What a later version adds comes behind a dash.
  if (text.size() > kLength && (version == 0 || text[kLength] != '-')) return std::nullopt;
  if (is_zero(parent.trace) || is_zero(parent.span)) return std::nullopt;
  parent.sampled = (flags & 1) != 0;
  return parent;
}

std::string hexadecimal(const uint8_t* bytes, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    text.push_back(kDigits[bytes[i] >> 4]);
    text.push_back(kDigits[bytes[i] & 15]);
  }
  return text;
}

}  // namespace tamis::serve
