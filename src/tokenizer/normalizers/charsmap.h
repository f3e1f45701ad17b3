// SentencePiece's compiled normalization rules ("precompiled_charsmap").
//
// Is: a reader of its double array, safe on any bytes. Is not: a writer. May use: base.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tamis::tokenizer {

/// Immutable, so thread-safe. Format: u32 size of the trie in bytes, the trie as u32 units
/// (darts-clone), then NUL-terminated replacements that trie values point into.
class Charsmap {
 public:
  /// Throws Error{kCorruptData} for bytes that are not a charsmap.
  [[nodiscard]] static Charsmap parse(std::string_view bytes, const std::string& where);

  /// Replacement of the shortest rule that `text` starts with; nothing if there is none.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view text) const;

 private:
  std::vector<uint32_t> units_;
  std::string replacements_;
};

/// Decodes standard base64 with padding. Throws Error{kCorruptData}.
[[nodiscard]] std::string decode_base64(std::string_view text, const std::string& where);

}  // namespace tamis::tokenizer
