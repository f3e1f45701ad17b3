// Changing a text before it is cut.
//
// Is: the interface of tokenizer.json's "normalizer" and its factory. Is not: aware of pieces; it
// sees one stretch at a time. May use: text, scratch.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "tokenizer/scratch.h"
#include "tokenizer/text.h"

namespace tamis::tokenizer {

/// Immutable, so thread-safe.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  /// Rewrites `text`, which is one piece (text.pieces[0]) over all of its bytes, and stays so.
  virtual void normalize(Text& text, Scratch& scratch) const = 0;
};

/// From tokenizer.json; null for JSON null. `where` names the place in errors. Throws Error:
/// kCorruptData, kUnsupported naming an unknown type.
[[nodiscard]] std::unique_ptr<Normalizer> make_normalizer(const JsonView& json,
                                                          const std::string& where);

/// Makes a normalizer of one type; see normalizers.inc.
using NormalizerFactory = std::unique_ptr<Normalizer> (*)(const JsonView& json,
                                                          const std::string& where);

}  // namespace tamis::tokenizer
