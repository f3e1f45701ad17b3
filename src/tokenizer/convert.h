// Vocabulary files older than tokenizer.json.
//
// Is: their vocabulary as the "model" of a tokenizer.json, and nothing a class decides. Is not: a
// tokenizer; resolve.h makes one of it. May use: base, sentencepiece.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/special_tokens.h"
#include "tokenizer/tokenizer_classes.h"

namespace tamis::tokenizer {

/// vocab.txt, a token a line; white space at the end of a line is no part of the token, and of
/// equal tokens the last counts.
[[nodiscard]] std::string convert_wordpiece(std::string_view vocab_txt, const std::string& source);

/// vocab.json and merges.txt.
[[nodiscard]] std::string convert_byte_bpe(std::string_view vocab_json, std::string_view merges_txt,
                                           const std::string& source);

struct ConvertedPieces {
  std::string json;
  /// The model's control and user-defined pieces.
  std::vector<TokenValue> tokens;
};

/// A SentencePiece model, numbered as the class numbers it: kXlmRoberta, kCamembert or kAlbert.
/// Throws Error{kUnsupported} for SentencePiece BPE.
[[nodiscard]] ConvertedPieces convert_sentencepiece(std::string_view model, ClassRules rules,
                                                    const SpecialTokens& tokens,
                                                    const std::string& source);

}  // namespace tamis::tokenizer
