// A string or a regular expression to look for.
//
// Is: tokenizer.json's {"String": ..} and {"Regex": ..}, matched as the library's Oniguruma does,
// with its Unicode classes. Is not: a general regex interface. May use: unicode, match.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "tokenizer/match.h"

namespace tamis::tokenizer {

/// Immutable, so thread-safe.
class Pattern {
 public:
  /// Throws Error{kCorruptData} for a pattern that does not compile.
  [[nodiscard]] static Pattern from_json(const JsonView& json, const std::string& where);

  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;
  ~Pattern();

  /// Appends all matches of valid UTF-8 from left to right, not overlapping; an empty match right
  /// after another match does not count. Throws Error{kUnsupported} for a pattern that needs too
  /// many steps, or more than `budget` has left.
  void find_all(std::string_view text, RegexBudget& budget, std::vector<Match>& out) const;

 private:
  struct Regex;
  Pattern(std::string literal, std::unique_ptr<Regex> regex);

  std::string literal_;
  std::unique_ptr<Regex> regex_;
};

/// The pattern with \p{..}, \w, \d, \s, \b and [:..:] written out as the library's classes, for an
/// engine whose Unicode version differs. Throws Error{kCorruptData} for an unknown class.
[[nodiscard]] std::string rewrite_unicode_classes(std::string_view pattern,
                                                  const std::string& where);

}  // namespace tamis::tokenizer
