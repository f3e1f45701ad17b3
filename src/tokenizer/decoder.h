// Tokens back to text.
//
// Is: tokenizer.json's "decoder" and its factory. Is not: exact inverse of encoding; no tokenizer's
// is. May use: base.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace tamis::tokenizer {

/// Immutable, so thread-safe.
class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Changes the tokens in place; the text is what they give when joined.
  virtual void decode(std::vector<std::string>& tokens) const = 0;
};

/// From tokenizer.json; null for JSON null. Throws Error: kCorruptData, kUnsupported.
[[nodiscard]] std::unique_ptr<Decoder> make_decoder(const JsonView& json, const std::string& where);

using DecoderFactory = std::unique_ptr<Decoder> (*)(const JsonView& json, const std::string& where);

}  // namespace tamis::tokenizer
