// The small types that the Unicode tables and their users share.
#pragma once

#include <cstdint>

namespace tamis::tokenizer {

// First and last code point, both included.
struct CodePointRange {
  char32_t first;
  char32_t last;
};

// Order fixed by the generated tables; kCs (surrogates) never occurs in valid text.
enum class GeneralCategory : uint8_t {
  kLu,
  kLl,
  kLt,
  kLm,
  kLo,  // letters
  kMn,
  kMc,
  kMe,  // marks
  kNd,
  kNl,
  kNo,  // numbers
  kPc,
  kPd,
  kPs,
  kPe,
  kPi,
  kPf,
  kPo,  // punctuation
  kSm,
  kSc,
  kSk,
  kSo,  // symbols
  kZs,
  kZl,
  kZp,  // separators
  kCc,
  kCf,
  kCs,
  kCo,
  kCn  // others
};

// Classes beside the general category, as bits of the word that properties() returns. Each is named
// after the part of Hugging Face `tokenizers` that sees text so; they differ between parts, because
// that library carries several Unicode versions.
enum ClassBits : uint32_t {
  kPatternWord = 1u << 5,      // \w in a Split or Replace pattern
  kWhiteSpace = 1u << 6,       // \s everywhere, char::is_whitespace
  kWord = 1u << 7,             // \w of the Whitespace pre-tokenizer and beside single_word tokens
  kNumeric = 1u << 8,          // Digits pre-tokenizer
  kPunctuation = 1u << 9,      // Punctuation and Bert pre-tokenizers
  kBertRemoved = 1u << 10,     // dropped by BertNormalizer's clean_text
  kBertSpace = 1u << 11,       // becomes ' ' in clean_text
  kCjk = 1u << 12,             // spaced by handle_chinese_chars
  kNonspacingMark = 1u << 13,  // dropped by BertNormalizer's strip_accents
  kCombiningMark = 1u << 14,   // dropped by StripAccents
  kHasLower = 1u << 15,        // Lowercase changes it
  kNfdUnsafe = 1u << 16,       // a text without such a code point is its own NFD, and so on
  kNfkdUnsafe = 1u << 17,
  kNfcUnsafe = 1u << 18,
  kNfkcUnsafe = 1u << 19,
  kComposesFirst = 1u << 20,   // first of a pair that composes
  kComposesSecond = 1u << 21,  // second of a pair that composes
};

}  // namespace tamis::tokenizer
