#include "base/plain_text.h"

#include <cstdint>

namespace tamis {

namespace {

constexpr char kHex[] = "0123456789abcdef";

uint8_t byte_at(std::string_view text, size_t at) {
  return at < text.size() ? static_cast<uint8_t>(text[at]) : uint8_t{0};
}

// The code point of a sequence that utf8_sequence_length() found.
uint32_t code_point(std::string_view sequence) {
  constexpr uint8_t kLeadBits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  uint32_t code = byte_at(sequence, 0) & kLeadBits[sequence.size()];
  for (size_t i = 1; i < sequence.size(); ++i) code = code << 6 | (byte_at(sequence, i) & 0x3fU);
  return code;
}

// Control characters; embeddings, overrides and isolates of the bidirectional algorithm (UAX 9),
// which reorder all that follows.
bool commands(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

void append_escape(std::string& out, uint32_t code) {
  if (code == '\n' || code == '\r' || code == '\t') {
    out.push_back('\\');
    out.push_back(code == '\n' ? 'n' : code == '\r' ? 'r' : 't');
    return;
  }
  out.append("\\u");
  for (int shift = 12; shift >= 0; shift -= 4) out.push_back(kHex[(code >> shift) & 15]);
}

std::string spelled_out(std::string_view text, bool keep_lines) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_sequence_length(text, at);
    if (length == 0) {
      const uint8_t byte = byte_at(text, at++);
      out.append("\\x");
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
      continue;
    }
    const std::string_view sequence = text.substr(at, length);
    const uint32_t code = code_point(sequence);
    const bool kept = keep_lines && (code == '\n' || code == '\t');
    if (commands(code) && !kept) {
      append_escape(out, code);
    } else {
      out.append(sequence);
    }
    at += length;
  }
  return out;
}

}  // namespace

size_t utf8_sequence_length(std::string_view text, size_t at) {
  const uint8_t lead = byte_at(text, at);
  const uint8_t second = byte_at(text, at + 1);
  const auto follows = [&](size_t i) { return (byte_at(text, at + i) & 0xc0) == 0x80; };
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return follows(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f)) return 0;
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if ((lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) return 0;
    return follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

std::string plain_text(std::string_view text) { return spelled_out(text, false); }

std::string plain_lines(std::string_view text) { return spelled_out(text, true); }

}  // namespace tamis
