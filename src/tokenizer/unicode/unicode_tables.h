// Declarations of the tables that unicode_tables.cc unpacks; only unicode.h and unicode.cc use
// them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "tokenizer/unicode/unicode_types.h"

namespace tamis::tokenizer::unicode_tables {

struct CompositionPair {
  char32_t first;
  char32_t second;
  char32_t composite;
};

// A class that a pattern can name, lower case without underscores; ranges in kNamedRanges.
struct NamedClass {
  const char* name;
  int32_t first_range;
  int32_t range_count;
};

#include "tokenizer/unicode/unicode_sizes.inc"

// Two stages: the page of each 256 code points, and pages, equal ones stored once.
inline constexpr size_t kPageSize = 256;
inline constexpr size_t kPageNumbers = 0x110000 / kPageSize;
using PageIndex = std::array<uint8_t, kPageNumbers>;
template <typename T, size_t kPages>
using Pages = std::array<std::array<T, kPageSize>, kPages>;

extern const PageIndex kPropertiesIndex;
extern const Pages<uint32_t, kPropertiesPageCount> kPropertiesPages;
extern const PageIndex kLowerDeltaIndex;
extern const Pages<int32_t, kLowerDeltaPageCount> kLowerDeltaPages;
extern const PageIndex kCombiningClassIndex;
extern const Pages<uint8_t, kCombiningClassPageCount> kCombiningClassPages;
extern const PageIndex kNfdIndex;
extern const Pages<uint16_t, kNfdPageCount> kNfdPages;
extern const PageIndex kNfkdIndex;
extern const Pages<uint16_t, kNfkdPageCount> kNfkdPages;
extern const PageIndex kGraphemeIndex;
extern const Pages<uint8_t, kGraphemePageCount> kGraphemePages;

// Full decompositions, each after its length; place 0 means none.
extern const std::array<char32_t, kDecompositionPoolSize> kDecompositions;
extern const std::array<CompositionPair, kCompositionCount> kCompositions;
extern const std::array<CodePointRange, kNamedRangeCount> kNamedRanges;
extern const NamedClass kNamedClasses[];
extern const size_t kNamedClassCount;

}  // namespace tamis::tokenizer::unicode_tables
