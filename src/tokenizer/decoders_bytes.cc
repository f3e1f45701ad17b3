// Decoders that rebuild bytes: ByteFallback, ByteLevel.
#include "tokenizer/byte_level.h"
#include "tokenizer/decoder.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/utf8.h"

namespace tamis::tokenizer {

namespace {

constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The byte that "<0xE9>" stands for, -1 for any other token. Rust reads "+F" as a number too.
int byte_of(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return -1;
  const int high = token[3] == '+' ? 0 : hex_digit(token[3]);
  const int low = hex_digit(token[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

class ByteFallbackDecoder : public Decoder {
 public:
  void decode(std::vector<std::string>& tokens) const override {
    std::vector<std::string> out;
    std::string bytes;
    const auto flush = [&] {
      if (bytes.empty()) return;
      if (find_invalid_utf8(bytes) == std::string_view::npos) {
        out.push_back(bytes);
      } else {
        out.insert(out.end(), bytes.size(), std::string(kReplacementCharacter));
      }
      bytes.clear();
    };
    for (std::string& token : tokens) {
      const int byte = byte_of(token);
      if (byte >= 0) {
        bytes.push_back(static_cast<char>(byte));
        continue;
      }
      flush();
      out.push_back(std::move(token));
    }
    flush();
    tokens = std::move(out);
  }
};

class ByteLevelDecoder : public Decoder {
 public:
  void decode(std::vector<std::string>& tokens) const override {
    std::string bytes;
    for (const std::string& token : tokens) append_token(token, bytes);
    tokens.assign(1, replace_invalid_utf8(bytes));
  }

 private:
  /// The bytes its characters stand for, or the token itself if one stands for none.
  static void append_token(const std::string& token, std::string& bytes) {
    const size_t before = bytes.size();
    for (size_t i = 0; i < token.size(); i += utf8_size(token[i])) {
      const int byte = byte_level_byte(decode_utf8(token.data() + i));
      if (byte < 0) {
        bytes.resize(before);
        bytes += token;
        return;
      }
      bytes.push_back(static_cast<char>(byte));
    }
  }

  /// Each longest ill-formed prefix of a sequence becomes one U+FFFD (Unicode 3.9, best practice).
  static std::string replace_invalid_utf8(std::string_view bytes) {
    std::string out;
    while (true) {
      const size_t bad = find_invalid_utf8(bytes);
      if (bad == std::string_view::npos) return out.append(bytes);
      out.append(bytes.substr(0, bad)).append(kReplacementCharacter);
      bytes.remove_prefix(bad + ill_formed_size(bytes.substr(bad)));
    }
  }

  static size_t ill_formed_size(std::string_view bytes) {
    const auto at = [bytes](size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const unsigned lead = at(0);
    const size_t wanted = lead >= 0xF0 && lead <= 0xF4   ? 4
                          : lead >= 0xE0 && lead <= 0xEF ? 3
                          : lead >= 0xC2 && lead <= 0xDF ? 2
                                                         : 1;
    size_t size = 1;
    while (size < wanted && size < bytes.size()) {
      unsigned low = 0x80;
      unsigned high = 0xBF;
      if (size == 1) {
        if (lead == 0xE0) low = 0xA0;
        if (lead == 0xED) high = 0x9F;
        if (lead == 0xF0) low = 0x90;
        if (lead == 0xF4) high = 0x8F;
      }
      if (at(size) < low || at(size) > high) break;
      ++size;
    }
    return size;
  }
};

}  // namespace

std::unique_ptr<Decoder> make_byte_fallback_decoder(const JsonView&, const std::string&) {
  return std::make_unique<ByteFallbackDecoder>();
}

std::unique_ptr<Decoder> make_byte_level_decoder(const JsonView&, const std::string&) {
  return std::make_unique<ByteLevelDecoder>();
}

}  // namespace tamis::tokenizer
