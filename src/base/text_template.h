// Texts of fixed parts and parts that a caller fills in.
//
// Is: the parts as data, and the text that they give. Is not: a language of templates
// (formats/chat_template.h reads one). May use: nothing.
#pragma once

#include <string>
#include <vector>

namespace tamis {

/// A text, or where `slot` is not empty a place for the caller's; `text` is what stands there if
/// the caller has none.
struct TextPart {
  std::string slot;
  std::string text;

  friend bool operator==(const TextPart&, const TextPart&) = default;
};
using TextTemplate = std::vector<TextPart>;

}  // namespace tamis
