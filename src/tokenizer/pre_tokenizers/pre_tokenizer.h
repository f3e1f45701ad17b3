// Cutting a normalized text into words.
//
// Is: the interface of tokenizer.json's "pre_tokenizer" and its factory. Is not: allowed to touch
// pieces that are added tokens. May use: text, scratch.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "tokenizer/scratch.h"
#include "tokenizer/text.h"

namespace tamis::tokenizer {

/// Immutable, so thread-safe.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  /// Replaces every text piece of `text` by the pieces it is cut into.
  virtual void split(Text& text, Scratch& scratch) const = 0;
  /// True if the last step writes bytes as the visible characters of byte-level BPE. If `raw` is
  /// then set, it leaves the bytes as they are, for a model that reads bytes.
  [[nodiscard]] virtual bool ends_with_byte_level() const { return false; }
  virtual void leave_bytes_raw() {}
};

/// From tokenizer.json; null for JSON null. Throws Error: kCorruptData, kUnsupported naming an
/// unknown type.
[[nodiscard]] std::unique_ptr<PreTokenizer> make_pre_tokenizer(const JsonView& json,
                                                               const std::string& where);

using PreTokenizerFactory = std::unique_ptr<PreTokenizer> (*)(const JsonView& json,
                                                              const std::string& where);

/// Calls cut(piece) for each text piece and keeps added tokens; cut() adds to text.next_pieces.
template <typename Cut>
void split_pieces(Text& text, Cut cut) {
  for (const Piece& piece : text.pieces) {
    if (piece.token != kNoToken) {
      text.next_pieces.push_back(piece);
    } else {
      cut(piece);
    }
  }
  text.commit_pieces();
}

}  // namespace tamis::tokenizer
