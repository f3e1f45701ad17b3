// Words to token ids.
//
// Is: the interface of tokenizer.json's "model" and its factory. Is not: aware of added tokens'
// contents; it only passes them on. May use: text, scratch, vocab.
#pragma once

#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "tokenizer/scratch.h"
#include "tokenizer/text.h"
#include "tokenizer/vocab.h"

namespace tamis::tokenizer {

inline constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

/// Immutable, so thread-safe.
class Model {
 public:
  virtual ~Model() = default;

  /// Appends the tokens of all pieces; may stop after a piece once `limit` tokens are there. Throws
  /// Error{kCorruptData} where a word is unknown and the model has no unknown token.
  virtual void tokenize(const Text& text, Scratch& scratch, size_t limit,
                        SequenceTokens& out) const = 0;

  [[nodiscard]] const Vocab& vocab() const { return vocab_; }
  /// Id of the model's unknown token, -1 if it has none.
  [[nodiscard]] virtual int32_t unk_id() const { return -1; }
  /// Id whose tokens show what was matched instead of their vocabulary entry.
  [[nodiscard]] virtual int32_t matched_text_id() const { return SequenceTokens::kNoMatchedTextId; }
  /// Reads raw bytes instead of byte-level characters if it can, and says whether it does.
  virtual bool read_raw_bytes() { return false; }

 protected:
  Vocab vocab_;
};

/// Throws Error: kCorruptData, kUnsupported naming an unknown type.
[[nodiscard]] std::unique_ptr<Model> make_model(const JsonView& json, const std::string& where);

using ModelFactory = std::unique_ptr<Model> (*)(const JsonView& json, const std::string& where);

/// Appends tokens with their offsets.
class TokenWriter {
 public:
  TokenWriter(const Text& text, SequenceTokens& out) : text_(text), out_(out) {}

  /// Bytes [begin, end) of the whole text, begin < end.
  void add(int32_t id, size_t begin, size_t end, int32_t word) {
    out_.ids.push_back(id);
    out_.words.push_back(word);
    out_.offsets.push_back({static_cast<int32_t>(text_.align(begin).start),
                            static_cast<int32_t>(text_.align(end - 1).end)});
    if (id == out_.matched_text_id) out_.set_last_text(text_.bytes().substr(begin, end - begin));
  }
  [[nodiscard]] size_t size() const { return out_.ids.size(); }

 private:
  const Text& text_;
  SequenceTokens& out_;
};

/// Walks the pieces: added tokens are appended, word(piece, index) is called for the others.
template <typename Word>
void for_each_word(const Text& text, size_t limit, SequenceTokens& out, Word word) {
  TokenWriter writer(text, out);
  const size_t count = text.pieces.size();
  for (size_t i = 0; i < count; ++i) {
    const Piece& piece = text.pieces[i];
    if (piece.token != kNoToken) {
      writer.add(piece.token, piece.begin, piece.end, static_cast<int32_t>(i));
      if (out.wants_texts) out.set_last_text(text.view(piece));
    } else {
      word(writer, piece, static_cast<int32_t>(i));
    }
    if (out.ids.size() >= limit && i + 1 < count) {
      out.cut_short = true;
      return;
    }
  }
}

}  // namespace tamis::tokenizer
