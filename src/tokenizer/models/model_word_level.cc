// WordLevel: a word is a token or unknown.
#include "tokenizer/json_fields.h"
#include "tokenizer/models/model.h"

namespace tamis::tokenizer {

namespace {

class WordLevelModel : public Model {
 public:
  WordLevelModel(const JsonView& json, const std::string& where) : where_(where) {
    vocab_ = Vocab::from_json(field(json, "vocab", where), where + ".vocab");
    unk_token_ = string_field(json, "unk_token", where);
    unk_id_ = vocab_.find(unk_token_);
  }

  [[nodiscard]] int32_t unk_id() const override { return unk_id_; }

  void tokenize(const Text& text, Scratch&, size_t limit, SequenceTokens& out) const override {
    for_each_word(text, limit, out, [&](TokenWriter& writer, const Piece& piece, int32_t index) {
      int32_t id = vocab_.find(text.view(piece));
      if (id < 0) id = unk_id_;
      if (id < 0) {
        fail(ErrorCode::kCorruptData, where_, ": a word is unknown and unk_token ",
             json_quote(unk_token_), " is not in the vocabulary");
      }
      writer.add(id, piece.begin, piece.end, index);
    });
  }

 private:
  std::string where_;
  std::string unk_token_;
  int32_t unk_id_ = -1;
};

}  // namespace

std::unique_ptr<Model> make_word_level_model(const JsonView& json, const std::string& where) {
  return std::make_unique<WordLevelModel>(json, where);
}

}  // namespace tamis::tokenizer
