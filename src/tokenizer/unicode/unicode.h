// Unicode as the Hugging Face `tokenizers` library sees it, code point by code point.
//
// Is: class tests, lower case, the four normal forms and grapheme clusters over tables that
// tools/generate/make_unicode.py measures through the library itself.
// Is not: a general Unicode library; where that library deviates from the standard or carries an
// older version, so does this.
// May use: base. All functions are pure and thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/unicode/unicode_tables.h"
#include "tokenizer/unicode/unicode_types.h"

namespace tamis::tokenizer {

inline constexpr char32_t kLastCodePoint = 0x10FFFF;

// The general category in bits 0..4 and ClassBits above; c <= kLastCodePoint.
[[nodiscard]] inline uint32_t properties(char32_t c) {
  return unicode_tables::kPropertiesPages[unicode_tables::kPropertiesIndex[c >> 8]][c & 255];
}

[[nodiscard]] inline bool has_class(char32_t c, uint32_t class_bits) {
  return (properties(c) & class_bits) != 0;
}

[[nodiscard]] constexpr uint32_t category_bit(GeneralCategory category) {
  return 1u << static_cast<uint32_t>(category);
}

// Sets of general categories, one bit each: in_categories(c, kLetters | kNumbers).
inline constexpr uint32_t kLetters = 0x0000001fu;       // \p{L}
inline constexpr uint32_t kMarks = 0x000000e0u;         // \p{M}
inline constexpr uint32_t kNumbers = 0x00000700u;       // \p{N}
inline constexpr uint32_t kPunctuations = 0x0003f800u;  // \p{P}
inline constexpr uint32_t kSymbols = 0x003c0000u;       // \p{S}
inline constexpr uint32_t kSeparators = 0x01c00000u;    // \p{Z}
inline constexpr uint32_t kOthers = 0x3e000000u;        // \p{C}

[[nodiscard]] constexpr bool word_in_categories(uint32_t property_word, uint32_t categories) {
  return ((1u << (property_word & 31u)) & categories) != 0;
}

[[nodiscard]] inline bool in_categories(char32_t c, uint32_t categories) {
  return word_in_categories(properties(c), categories);
}

// The ranges of a class as a pattern names it, for writing it out in another engine's syntax:
// `\p{NAME}` (general categories, their groups, scripts, binary properties; case, '_', '-' and
// spaces do not matter), and "\\w", "\\d", "\\s". Ascending and disjoint; nothing if unknown.
[[nodiscard]] std::optional<std::vector<CodePointRange>> class_ranges(std::string_view name);

// --- Mappings ------------------------------------------------------------------------------------

// Lower case of one code point; U+0130 alone gives two. No context: a final sigma stays U+03C3.
struct LowerCase {
  char32_t code_points[2];
  uint32_t count;
};
[[nodiscard]] LowerCase lower_case(char32_t c);

// Canonical (NFD) or compatibility (NFKD) decomposition, complete, in canonical order.
enum class Decomposition { kCanonical, kCompatibility };

// The decomposition of one code point, Hangul aside; empty when it stays itself.
[[nodiscard]] std::u32string_view table_decomposition(char32_t c, Decomposition kind);
// Appends the decomposition of `c`, or `c`; Hangul included.
void append_decomposition(std::u32string& out, char32_t c, Decomposition kind);

[[nodiscard]] inline uint8_t combining_class(char32_t c) {
  return unicode_tables::kCombiningClassPages[unicode_tables::kCombiningClassIndex[c >> 8]]
                                             [c & 255];
}

// The composite of a pair, or 0; Hangul included.
[[nodiscard]] char32_t compose_pair(char32_t first, char32_t second);

enum class NormalForm { kNfd, kNfkd, kNfc, kNfkc };

// A text is its own `form` when none of its code points has this class.
[[nodiscard]] constexpr uint32_t unsafe_class(NormalForm form) {
  return kNfdUnsafe << static_cast<uint32_t>(form);
}

// One code point put out, and how it came about, as the library counts: 0, it takes the place of
// one code point of the input; 1, it was inserted after it; -n, it takes the place of 1 + n.
struct ChangedCodePoint {
  char32_t code_point;
  int32_t change;
};

// The text in a normal form. False: on the way it would be more than `most` code points.
bool normalize(std::u32string_view text, NormalForm form, std::vector<ChangedCodePoint>& out,
               size_t most = SIZE_MAX);

// --- Grapheme clusters ---------------------------------------------------------------------------

// Index behind the extended grapheme cluster that starts at `at` < text.size(); `at` must itself
// be a cluster boundary.
[[nodiscard]] size_t next_grapheme(std::u32string_view text, size_t at);

}  // namespace tamis::tokenizer
