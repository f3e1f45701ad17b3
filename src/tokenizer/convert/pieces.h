// What conversions of SentencePiece models share.
//
// Is: functions of vocab_pieces.cc, for generic_pieces.cc too. Is not: for others. May use:
// sentencepiece, special_tokens.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "tokenizer/convert/sentencepiece.h"
#include "tokenizer/special_tokens.h"

namespace tamis::tokenizer {

/// Control pieces, which are special, and user-defined ones where those count, as added tokens.
[[nodiscard]] std::vector<TokenValue> added_pieces(const SentencePieceModel& model,
                                                   bool user_defined);

/// [text, score] of a Unigram vocabulary. Throws Error{kCorruptData} if the score is not finite.
void write_scored_piece(JsonWriter& json, std::string_view text, double score,
                        const std::string& source);

}  // namespace tamis::tokenizer
