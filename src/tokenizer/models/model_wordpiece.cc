// WordPiece: the longest token that starts a word, then the longest continuation, and so on.
#include "tokenizer/json_fields.h"
#include "tokenizer/models/model.h"
#include "tokenizer/trie.h"

namespace tamis::tokenizer {

namespace {

class WordPieceModel : public Model {
 public:
  WordPieceModel(const JsonView& json, const std::string& where) : where_(where) {
    vocab_ = Vocab::from_json(field(json, "vocab", where), where + ".vocab");
    unk_token_ = string_field(json, "unk_token", where);
    unk_id_ = vocab_.find(unk_token_);
    max_chars_ = int_field(json, "max_input_chars_per_word", where);
    if (max_chars_ < 0) {
      fail(ErrorCode::kCorruptData, where, ".max_input_chars_per_word: ", max_chars_,
           " is negative");
    }
    std::vector<std::pair<std::string_view, int32_t>> keys;
    keys.reserve(vocab_.size());
    vocab_.for_each([&](std::string_view token, int32_t id) { keys.emplace_back(token, id); });
    trie_ = Trie::build(std::move(keys));
    continuation_ = Trie::kRoot;
    for (const char byte : string_field(json, "continuing_subword_prefix", where)) {
      if (continuation_ != Trie::kNowhere) continuation_ = trie_.step(continuation_, byte);
    }
  }

  [[nodiscard]] int32_t unk_id() const override { return unk_id_; }

  void tokenize(const Text& text, Scratch&, size_t limit, SequenceTokens& out) const override {
    for_each_word(text, limit, out, [&](TokenWriter& writer, const Piece& piece, int32_t index) {
      const std::string_view word = text.view(piece);
      const int32_t whole = vocab_.find(word);
      const bool short_enough = word.size() <= static_cast<size_t>(max_chars_) ||
                                count_code_points(word) <= static_cast<size_t>(max_chars_);
      if (whole >= 0 && short_enough) {
        writer.add(whole, piece.begin, piece.end, index);
        return;
      }
      const size_t before = writer.size();
      if (short_enough && add_pieces(word, piece.begin, index, writer)) return;
      out.ids.resize(before);
      out.words.resize(before);
      out.offsets.resize(before);
      if (unk_id_ < 0) {
        fail(ErrorCode::kCorruptData, where_, ": a word is unknown and unk_token ",
             json_quote(unk_token_), " is not in the vocabulary");
      }
      writer.add(unk_id_, piece.begin, piece.end, index);
    });
  }

 private:
  /// False if some rest of the word starts with no token.
  bool add_pieces(std::string_view word, size_t begin, int32_t index, TokenWriter& writer) const {
    size_t at = 0;
    uint32_t node = Trie::kRoot;
    while (at < word.size()) {
      size_t end = at;
      int32_t id = -1;
      for (size_t i = at; i < word.size() && node != Trie::kNowhere;) {
        node = trie_.step(node, word[i++]);
        if (node != Trie::kNowhere && trie_.value(node) >= 0) {
          id = trie_.value(node);
          end = i;
        }
      }
      if (id < 0) return false;
      writer.add(id, begin + at, begin + end, index);
      at = end;
      node = continuation_;
    }
    return true;
  }

  std::string where_;
  std::string unk_token_;
  int32_t unk_id_ = -1;
  int64_t max_chars_ = 0;
  Trie trie_;
  uint32_t continuation_ = Trie::kRoot;
};

}  // namespace

std::unique_ptr<Model> make_wordpiece_model(const JsonView& json, const std::string& where) {
  return std::make_unique<WordPieceModel>(json, where);
}

}  // namespace tamis::tokenizer
