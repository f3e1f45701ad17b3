// Parts of a tokenizer.json that classes share, as JSON text.
//
// Is: writers. Is not: what any class decides (class_rules.h). May use: base.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"

namespace tamis::tokenizer {

/// SentencePiece's visible space.
inline constexpr std::string_view kMetaspace = "\xE2\x96\x81";

/// The id of a token that is sure to have one.
using IdOf = std::function<int64_t(std::string_view)>;

/// {"type": type}
void write_type(JsonWriter& json, std::string_view type);
void write_replace(JsonWriter& json, std::string_view text, std::string_view content);
void write_replace_regex(JsonWriter& json, std::string_view regex, std::string_view content);
void write_strip(JsonWriter& json, bool left, bool right);
/// Normalizer Precompiled; `charsmap` in base64.
void write_charsmap(JsonWriter& json, const JsonView& charsmap);
void write_metaspace(JsonWriter& json, std::string_view scheme, bool split);
void write_byte_level(JsonWriter& json, bool add_prefix_space, bool use_regex);

/// The first charsmap of tokenizer.json's normalizer; absent if there is none.
[[nodiscard]] JsonView charsmap_of(const JsonView& normalizer);

/// One part of a template: "$A", "$B" or a special token, and its type id.
struct Part {
  std::string_view id;
  int type_id;
};

/// TemplateProcessing; each special token's id comes from `id_of`.
[[nodiscard]] std::string template_processing(std::span<const Part> single,
                                              std::span<const Part> pair, const IdOf& id_of);

/// Pairs of BertProcessing and RobertaProcessing.
struct Wrapping {
  std::string_view first;
  std::string_view last;
  int64_t first_id;
  int64_t last_id;
};
[[nodiscard]] std::string bert_processing(const Wrapping& wrap);
[[nodiscard]] std::string roberta_processing(const Wrapping& wrap, bool trim_offsets,
                                             bool add_prefix_space);

}  // namespace tamis::tokenizer
