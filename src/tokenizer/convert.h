// Older vocabulary files to tokenizer.json.
//
// Is: the same conversions that Hugging Face transformers makes. Is not: a loader; the text goes
// through load_json like any other. May use: base, sentencepiece.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace tamis::tokenizer {

/// Files beside the vocabulary; absent ones are absent views.
struct SideFiles {
  JsonView tokenizer_config;
  JsonView special_tokens_map;
  JsonView model_config;

  /// Content of a special token ("cls_token"), `fallback` if no file names it.
  [[nodiscard]] std::string_view special(std::string_view key, std::string_view fallback) const;
};

/// vocab.txt, a token a line (BERT, DistilBERT, ELECTRA).
[[nodiscard]] std::string convert_wordpiece(std::string_view vocab_txt, const SideFiles& files,
                                            const std::string& source);
/// vocab.json and merges.txt (RoBERTa).
[[nodiscard]] std::string convert_byte_bpe(std::string_view vocab_json, std::string_view merges_txt,
                                           const SideFiles& files, const std::string& source);
/// A SentencePiece model of XLM-RoBERTa, CamemBERT or ALBERT, by config.json's model_type. Throws
/// Error{kUnsupported} for other families and for SentencePiece BPE.
[[nodiscard]] std::string convert_sentencepiece(std::string_view model, const SideFiles& files,
                                                const std::string& source);

}  // namespace tamis::tokenizer
