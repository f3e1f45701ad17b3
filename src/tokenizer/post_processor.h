// Special tokens around the texts, and trimmed offsets.
//
// Is: tokenizer.json's "post_processor" compiled to a list of parts, and truncation to windows. Is
// not: padding. May use: scratch, encoding.
#pragma once

#include <array>

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "tokenizer/encoding.h"
#include "tokenizer/models/model.h"
#include "tokenizer/scratch.h"

namespace tamis::tokenizer {

/// A special token or one of the texts.
struct TemplatePart {
  /// Special token id, or -1: the text `sequence`.
  int32_t id = -1;
  int32_t sequence = 0;
  int32_t type_id = 0;
  /// Text of a special token.
  std::string token{};
};

/// What post-processing does. Immutable, so thread-safe.
struct PostProcessor {
  std::vector<TemplatePart> single{{-1, 0, 0}};
  std::vector<TemplatePart> pair{{-1, 0, 0}, {-1, 1, 1}};
  /// For each byte-level trimming step: its add_prefix_space.
  std::vector<bool> trims;
  bool wraps = false;
  /// Type id 0 in further windows too (RobertaProcessing); others number them by text.
  bool windows_type_0 = false;

  [[nodiscard]] const std::vector<TemplatePart>& parts(bool is_pair) const {
    return is_pair ? pair : single;
  }
  [[nodiscard]] int64_t num_special(bool is_pair) const;
};

/// From tokenizer.json; the default for JSON null. Throws Error: kCorruptData, kUnsupported.
[[nodiscard]] PostProcessor make_post_processor(const JsonView& json, const std::string& where);

/// Spaces that begin and end each token's text, by id, for trimming.
struct TokenSpaces {
  struct Counts {
    uint16_t leading = 0;
    uint16_t trailing = 0;
  };
  std::vector<Counts> by_id;
};
[[nodiscard]] TokenSpaces count_token_spaces(const Vocab& vocab);
/// Of one text.
[[nodiscard]] SequenceTokens::Spaces count_spaces(std::string_view text);

/// Truncates and joins. `spaces` is used only if post.trims is not empty.
void post_process(const PostProcessor& post, const TokenSpaces& spaces,
                  const std::array<SequenceTokens, 2>& sequences, bool is_pair,
                  const EncodeOptions& options, Encoding& out);

/// Tokens that each text may keep, and whether any is cut. Throws Error{kInvalidArgument} where
/// max_length or stride cannot be met.
struct Limits {
  size_t keep[2];
};
[[nodiscard]] Limits truncation_limits(const PostProcessor& post, size_t first, size_t second,
                                       bool is_pair, const EncodeOptions& options);

}  // namespace tamis::tokenizer
