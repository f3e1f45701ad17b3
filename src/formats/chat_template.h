// A reranker's chat template as fixed text with places for query, document and instruction.
//
// Is: the match of a Jinja template against the few forms that name messages by their role. Is not:
// Jinja; a template that needs more is refused. May use: base.
// Source: https://jinja.palletsprojects.com/en/stable/templates/, with trim_blocks and
// lstrip_blocks as transformers sets them
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/text_template.h"

namespace tamis {

/// The template for a conversation of a message "query", a message "document" and possibly one
/// "system", whose text is what `default` names where there is none. Accepted are text, comments,
///
///   {% set NAME = messages | selectattr("role", "eq", "ROLE") | map(attribute="content") | first
///   %}
///
/// possibly with `| default("...")`, {{ NAME }}, {{ the same chain }}, {{ "text" }}, and
/// {% if add_generation_prompt %} ... {% endif %}. Throws Error{kUnsupported} naming `source`, the
/// line and what stands there; also where query or document have no place.
[[nodiscard]] TextTemplate parse_pair_template(std::string_view jinja, std::string_view source,
                                               bool add_generation_prompt);

/// The text of a folder's chat_template.jinja, or of tokenizer_config.json's chat_template where it
/// is one text. Throws Error: kNotFound if there is none, kUnsupported for several.
struct ChatTemplateText {
  std::string text;
  std::string source;
};
[[nodiscard]] ChatTemplateText read_chat_template(const std::filesystem::path& folder);
/// Whether a folder has one or several.
[[nodiscard]] bool has_chat_template(const std::filesystem::path& folder);

}  // namespace tamis
