// Declarations of the generated tables in unicode_tables.cc; only unicode.h and unicode.cc use
// them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tokenizer/unicode_types.h"

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

// Two stages: pages of 256 code points, equal pages stored once.
extern const uint8_t kPropertiesIndex[0x110000 / 256];
extern const uint32_t kPropertiesPages[][256];
extern const uint8_t kLowerDeltaIndex[0x110000 / 256];
extern const int32_t kLowerDeltaPages[][256];
extern const uint8_t kCombiningClassIndex[0x110000 / 256];
extern const uint8_t kCombiningClassPages[][256];
extern const uint8_t kNfdIndex[0x110000 / 256];
extern const uint16_t kNfdPages[][256];
extern const uint8_t kNfkdIndex[0x110000 / 256];
extern const uint16_t kNfkdPages[][256];
extern const uint8_t kGraphemeIndex[0x110000 / 256];
extern const uint8_t kGraphemePages[][256];

// Full decompositions, each after its length; place 0 means none.
extern const char32_t kDecompositions[];
extern const CompositionPair kCompositions[];
extern const size_t kCompositionCount;
extern const CodePointRange kNamedRanges[];
extern const NamedClass kNamedClasses[];
extern const size_t kNamedClassCount;

}  // namespace tamis::tokenizer::unicode_tables
