// The rows of class_rules.cc, and what their functions share.
//
// Is: for the rules_<kind>.cc of this folder. Is not: for others. May use: class_rules.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "tokenizer/convert/class_rules.h"

namespace tamis::tokenizer {

enum class ModelKind : uint8_t { kWordPiece, kBpe, kUnigram, kWordLevel };

struct RoleDefault {
  Role role;
  std::string_view content;
};

/// Which roles named by their text alone get flags, as by AddedToken(text, lstrip=...).
enum class Flagged : uint8_t {
  kNone,
  kMask,  ///< the mask, which takes the space before it in
  kAll,   ///< every role; the mask takes the space before it in
};

struct PostInput {
  const ClassInput& input;
  const SpecialTokens& tokens;
  const IdOf& id_of;
};

/// One class.
struct ClassFunctions {
  ClassRules rules;
  ModelKind model;
  std::span<const RoleDefault> roles;
  Components (*components)(const ClassInput& input);
  /// Members of "model" before the vocabulary, its type among them.
  void (*model_options)(const ClassInput& input, const SpecialTokens& tokens, const JsonView& vocab,
                        JsonWriter& json);
  std::string (*post_processor)(const PostInput& post);
  Flagged flagged = Flagged::kNone;
  /// Null: none.
  void (*further_tokens)(const ClassInput& input, SpecialTokens& tokens) = nullptr;
};

[[nodiscard]] std::span<const ClassFunctions> wordpiece_classes();
[[nodiscard]] std::span<const ClassFunctions> byte_classes();
[[nodiscard]] std::span<const ClassFunctions> unigram_classes();
[[nodiscard]] std::span<const ClassFunctions> piece_bpe_classes();
[[nodiscard]] std::span<const ClassFunctions> python_classes();

/// [UNK], [SEP], [PAD], [CLS] and [MASK].
[[nodiscard]] std::span<const RoleDefault> bert_roles();
/// <s>, </s>, <unk>, <pad> and <mask>.
[[nodiscard]] std::span<const RoleDefault> roberta_roles();

[[nodiscard]] bool flag(const ClassInput& input, std::string_view key, bool fallback);

/// The options of BERT's WordPiece.
void wordpiece_options(const ClassInput& input, const SpecialTokens& tokens, const JsonView& vocab,
                       JsonWriter& json);

/// A token that the class cannot do without.
[[nodiscard]] const std::string& needed(const ClassInput& input, const SpecialTokens& tokens,
                                        Role role);

/// first $A last, and first $A last $B:1 last:1 for a pair.
[[nodiscard]] std::string wrapped(const PostInput& post, std::string_view first,
                                  std::string_view last);
/// By cls and sep.
[[nodiscard]] std::string wrapped_by_cls(const PostInput& post);
/// first $A last, and first $A last last $B last for a pair.
[[nodiscard]] std::string wrapped_twice(const PostInput& post, Role first, Role last);
[[nodiscard]] std::string kept_post_processor(const PostInput& post);

}  // namespace tamis::tokenizer
