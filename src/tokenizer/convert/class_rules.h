// What a tokenizer class makes of a vocabulary.
//
// Is: normalizer, pre-tokenizer, model options, decoder, post-processor and special tokens of each
// class that is built, as text of a tokenizer.json, by the rules of transformers 5.24 (its
// tokenization_<family>.py). Is not: for generic classes, whose tokenizer.json stands. May use:
// special_tokens, tokenizer_classes.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "tokenizer/convert/class_json.h"
#include "tokenizer/convert/tokenizer_classes.h"
#include "tokenizer/special_tokens.h"

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
  /// False for older files.
  bool from_tokenizer_json = true;
};

/// Each is JSON text.
struct Components {
  std::string normalizer = "null";
  std::string pre_tokenizer = "null";
  std::string decoder = "null";
  std::string model;
};

/// A number of tokenizer_config.json that is an id or a count, 0 to 1000000. Throws
/// Error{kCorruptData} naming the key.
[[nodiscard]] int64_t count_of(const ClassInput& input, std::string_view key, int64_t fallback);

/// Of T5's tokens <extra_id_0> and on, where no file says how many there are.
inline constexpr int64_t kSentinels = 100;

/// Gives the roles and the further special tokens that no file names the class's own.
void add_class_tokens(const ClassInput& input, SpecialTokens& tokens);

/// True if the class pads on the left where no file says.
[[nodiscard]] bool pads_left(ClassRules rules);

/// How a class adds its special tokens anew, behind all others.
enum class Restated : uint8_t {
  kNone,
  kByText,     ///< without the flags that files give them
  kAsTheyAre,  ///< with those flags, whatever the list of added tokens says of the same text
};
[[nodiscard]] Restated restated_tokens(ClassRules rules);

/// Throws Error{kUnsupported} if tokenizer.json holds another model than the class has, and
/// Error{kCorruptData} for an option of a wrong kind; both name file and key.
[[nodiscard]] Components class_components(const ClassInput& input, const SpecialTokens& tokens);

[[nodiscard]] std::string class_post_processor(const ClassInput& input, const SpecialTokens& tokens,
                                               const IdOf& id_of);

/// tokenizer.json's post-processor, unless there is none or add_bos_token or add_eos_token count:
/// then bos before and eos behind each text where they say so.
[[nodiscard]] std::string own_post_processor(const ClassInput& input, const SpecialTokens& tokens,
                                             const IdOf& id_of);

/// True if the keys add_bos_token or add_eos_token count: beside a tokenizer.json they do so only
/// as overrides.
[[nodiscard]] bool names_ends(const ClassInput& input);

}  // namespace tamis::tokenizer
