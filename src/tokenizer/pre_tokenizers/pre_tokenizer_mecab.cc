// MeCab: words of Japanese text. A type of this program's own, which stands for MecabTokenizer of
// transformers' BertJapaneseTokenizer.
#include "base/error.h"
#include "tokenizer/json_fields.h"
#include "tokenizer/mecab/mecab.h"
#include "tokenizer/pre_tokenizers/pre_tokenizer.h"

namespace tamis::tokenizer {

namespace {

class MecabPreTokenizer : public PreTokenizer {
 public:
  explicit MecabPreTokenizer(std::shared_ptr<const Mecab> mecab) : mecab_(std::move(mecab)) {}

  void split(Text& text, Scratch& scratch) const override {
    split_pieces(text, [&](const Piece& piece) {
      scratch.matches.clear();
      mecab_->cut(text.view(piece), scratch.matches);
      for (const Match& word : scratch.matches) {
        text.cut(piece, piece.begin + word.begin, piece.begin + word.end);
      }
    });
  }

 private:
  std::shared_ptr<const Mecab> mecab_;
};

}  // namespace

std::unique_ptr<PreTokenizer> make_mecab_pre_tokenizer(const JsonView& json,
                                                       const std::string& where) {
  auto mecab = Mecab::open(string_field(json, "dictionary", where), where);
  const int64_t words = int_field(json, "words", where);
  if (words != mecab->words()) {
    fail(ErrorCode::kCorruptData, where, ".words: the tokenizer was made with a dictionary of ",
         words, " words, and that of this machine has ", mecab->words(),
         "; make it again from the checkpoint");
  }
  return std::make_unique<MecabPreTokenizer>(std::move(mecab));
}

}  // namespace tamis::tokenizer
