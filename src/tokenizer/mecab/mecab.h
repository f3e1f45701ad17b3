// MeCab, which cuts Japanese text into words by a dictionary.
//
// Is: Debian's libmecab, where it is built in (TAMIS_MECAB), over the dictionary of a name that
// checkpoints give; where it is not, an error that says so. Is not: a dictionary. May use: match.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/match.h"

namespace tamis::tokenizer {

/// The dictionaries that transformers' MecabTokenizer has names for.
inline constexpr std::string_view kMecabDictionaries[] = {"ipadic", "unidic_lite", "unidic"};

/// Immutable, so thread-safe.
class Mecab {
 public:
  /// The dictionary lies in the folder that the environment variable TAMIS_MECAB_<NAME> names, in
  /// capitals, else where Debian's package puts it (ipadic alone). Throws Error: kUnsupported where
  /// MeCab is not built in or the name is none of kMecabDictionaries, kNotFound without a
  /// dictionary, kCorruptData for one that MeCab does not read or that is not of UTF-8; each names
  /// `where`.
  [[nodiscard]] static std::shared_ptr<const Mecab> open(std::string_view dictionary,
                                                         const std::string& where);
  virtual ~Mecab() = default;

  /// Words of the dictionary, by which two versions of one name are told apart.
  [[nodiscard]] virtual int64_t words() const = 0;

  /// Appends the words of `text`, which is UTF-8, from left to right, without the white space
  /// between them. What follows a zero byte is left out, as fugashi leaves it out. Throws
  /// Error{kUnsupported} for a text over kMostMecabBytes, and for stretches of one kind of letter
  /// that take MeCab too long, whose time grows with the square of their length.
  virtual void cut(std::string_view text, std::vector<Match>& out) const = 0;
};

/// MeCab takes about 270 bytes of memory for each byte of a text.
inline constexpr size_t kMostMecabBytes = 512 * 1024;
}  // namespace tamis::tokenizer
