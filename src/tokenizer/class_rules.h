// What a tokenizer class makes of a vocabulary.
//
// Is: normalizer, pre-tokenizer, model options, decoder, post-processor and special tokens of each
// class that is built, as text of a tokenizer.json, by the rules of transformers 5.23 (its
// tokenization_<family>.py). Is not: for generic classes, whose tokenizer.json stands. May use:
// special_tokens, tokenizer_classes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "tokenizer/special_tokens.h"
#include "tokenizer/tokenizer_classes.h"

namespace tamis::tokenizer {

/// A class at work on one folder.
struct ClassInput {
  ClassRules rules;
  /// As the files spell it, for errors.
  std::string class_name;
  const ConfigView& config;
  /// A tokenizer.json, or the vocabulary of older files in its form.
  JsonView root;
  const std::string& source;
};

/// Each is JSON text.
struct Components {
  std::string normalizer = "null";
  std::string pre_tokenizer = "null";
  std::string decoder = "null";
  std::string model;
};

/// Gives the roles and the further special tokens that no file names the class's own.
void add_class_tokens(const ClassInput& input, SpecialTokens& tokens);

/// Throws Error{kUnsupported} if tokenizer.json holds another model than the class has, and
/// Error{kCorruptData} for an option of a wrong kind; both name file and key.
[[nodiscard]] Components class_components(const ClassInput& input, const SpecialTokens& tokens);

/// `id_of` gives the id of a token that is sure to have one.
[[nodiscard]] std::string class_post_processor(
    const ClassInput& input, const SpecialTokens& tokens,
    const std::function<int64_t(std::string_view)>& id_of);

}  // namespace tamis::tokenizer
