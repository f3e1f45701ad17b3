// A SentencePiece model under a class that makes no rules of its own.
//
// Is: a whole tokenizer that encodes as the model's own settings say, by the rules of transformers
// 5.24 (build_tokenizer_from_spm_proto in its convert_slow_tokenizer.py). Is not: for the classes
// of class_rules.h. May use: sentencepiece, vocab_files.
#pragma once

#include <map>

#include "tokenizer/convert/sentencepiece.h"
#include "tokenizer/convert/vocab_files.h"

namespace tamis::tokenizer {

/// `listed`: the tokens that the folder's files list by id, which name the pieces anew.
[[nodiscard]] ConvertedPieces convert_generic_pieces(const SentencePieceModel& model,
                                                     const ClassInput& input,
                                                     const std::map<int64_t, TokenValue>& listed);

}  // namespace tamis::tokenizer
