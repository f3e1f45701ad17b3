// A folder's tokenizer as one tokenizer.json.
//
// Is: tokenizer.json, or the vocabulary of older files, with all that the class and the files
// beside it decide written in, as transformers 5 loads it. Is not: reading files, making a
// Tokenizer. May use: class_rules.
#pragma once

#include <string>
#include <vector>

#include "tokenizer/convert/class_rules.h"

namespace tamis::tokenizer {

struct ResolveInput {
  /// A tokenizer.json, or the vocabulary of older files in its form.
  std::string json;
  TokenizerClass tokenizer_class;
  TokenFiles files;
  /// Tokens that a SentencePiece model calls control or user-defined; absent where there is none.
  std::optional<std::vector<TokenValue>> piece_tokens;
  /// Roles that a SentencePiece model gives where no file does.
  std::vector<std::pair<Role, std::string>> piece_roles;
  /// ConvertedPieces' flag.
  bool listed_are_raw = false;
  /// False for older files.
  bool from_tokenizer_json = true;
  /// Puts Lowercase before the normalizer if that has none.
  bool lowercase_first = false;
};

struct Resolved {
  std::string json;
  /// The tokens with a role, those of the class included.
  SpecialTokens tokens;
  /// Sides of tokenizer.json's truncation and padding blocks; empty where it has none.
  std::string truncation_side;
  std::string padding_side;
  /// Keys of the files beside tokenizer.json that made it another one: "do_lower_case",
  /// "added_tokens".
  std::vector<std::string> changed_by;
};

/// Throws Error as class_components and read_special_tokens.
[[nodiscard]] Resolved resolve_tokenizer(ResolveInput input);

}  // namespace tamis::tokenizer
