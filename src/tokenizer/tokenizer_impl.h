// What a loaded tokenizer consists of.
//
// Is: shared by loading and encoding inside this module. Is not: for other modules. May use: all of
// this module.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/decoder.h"
#include "tokenizer/models/model.h"
#include "tokenizer/normalizers/normalizer.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pre_tokenizers/pre_tokenizer.h"
#include "tokenizer/scratch.h"
#include "tokenizer/tokenizer.h"

namespace tamis::tokenizer {

struct Tokenizer::Impl {
  /// Thread-safe. Holds as many as encodings ever ran at once.
  class ScratchPool {
   public:
    [[nodiscard]] std::unique_ptr<Scratch> take();
    void give_back(std::unique_ptr<Scratch> scratch);

   private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<Scratch>> free_;
  };

  std::unique_ptr<Normalizer> normalizer;
  std::unique_ptr<PreTokenizer> pre_tokenizer;
  std::unique_ptr<Model> model;
  PostProcessor post;
  std::unique_ptr<Decoder> decoder;
  AddedTokens added;
  /// Empty unless offsets are trimmed.
  TokenSpaces spaces;
  SpecialIds special;
  std::string continuing_subword_prefix;
  int64_t vocab_size = 0;
  std::optional<int64_t> max_length;
  Side truncation_side = Side::kRight;
  Side padding_side = Side::kRight;
  bool type_ids = true;
  std::string json;
  mutable ScratchPool scratches;
};

}  // namespace tamis::tokenizer
