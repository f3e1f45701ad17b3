// Vocabulary files older than tokenizer.json.
//
// Is: their vocabulary as the "model" of a tokenizer.json, and nothing a class decides. Is not: a
// tokenizer; resolve.h makes one of it. May use: base, sentencepiece.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/convert/class_rules.h"

namespace tamis::tokenizer {

/// The files that hold a class's vocabulary.
enum class VocabFiles : uint8_t {
  kNone,      ///< only tokenizer.json does
  kVocabTxt,  ///< vocab.txt
  kByteBpe,   ///< vocab.json and merges.txt
  kPieces,    ///< a SentencePiece model, `pieces_file` or tokenizer.model
};
struct VocabSource {
  VocabFiles files = VocabFiles::kNone;
  std::string_view pieces_file = {};
};
[[nodiscard]] VocabSource vocab_source(ClassRules rules);

/// vocab.txt, a token a line, as WordPiece or WordLevel; of equal tokens the last counts.
[[nodiscard]] std::string convert_vocab_txt(std::string_view vocab_txt, ClassRules rules,
                                            const std::string& source);

/// vocab.json and merges.txt.
[[nodiscard]] std::string convert_byte_bpe(std::string_view vocab_json, std::string_view merges_txt,
                                           const std::string& source);

struct ConvertedPieces {
  std::string json;
  /// The model's control and user-defined pieces.
  std::vector<TokenValue> tokens;
  /// Roles that the model gives where no file does; only a generic class asks.
  std::vector<std::pair<Role, std::string>> roles;
  /// Tokens that files list are looked for in the text as it stands, whatever their flag says.
  bool listed_are_raw = false;
};

/// A SentencePiece model, Unigram or BPE, numbered as the class numbers it; of a generic class a
/// whole tokenizer. Throws Error{kUnsupported} for a model of another algorithm than the class has.
[[nodiscard]] ConvertedPieces convert_sentencepiece(std::string_view model, const ClassInput& input,
                                                    const SpecialTokens& tokens);

}  // namespace tamis::tokenizer
