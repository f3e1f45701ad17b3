// Unpacks the tables of unicode_tables.inc while it is compiled.
//
// Is: the constants of unicode_tables.h. Is not: a choice of what they hold
// (tools/generate/make_unicode.py).
#include "tokenizer/unicode/unicode_tables.h"

namespace tamis::tokenizer::unicode_tables {

#include "tokenizer/unicode/unicode_tables.inc"

namespace {

/// Numbers of base 45, as tools/generate/make_unicode.py writes them.
class Reader {
 public:
  constexpr explicit Reader(const char* text) : at_(text) {}

  constexpr uint32_t next() {
    constexpr uint32_t kBase = 45;
    constexpr char kFirst = '#';
    uint32_t value = 0;
    for (uint32_t weight = 1;; weight *= kBase) {
      const auto digit = static_cast<uint32_t>(*at_++ - kFirst);
      if (digit < kBase) return value + digit * weight;
      value += (digit - kBase) * weight;
    }
  }
  constexpr int32_t next_signed() { return without_sign_bit(next()); }
  /// A number whose lowest bit is its sign.
  static constexpr int32_t without_sign_bit(uint32_t value) {
    const auto half = static_cast<int32_t>(value / 2);
    return value % 2 == 0 ? half : -half - 1;
  }

 private:
  const char* at_;
};

/// Distinct values, then runs of them.
template <typename T, size_t kCount>
constexpr std::array<T, kCount> unpack_runs(const char* text) {
  Reader reader(text);
  std::array<T, 256> distinct = {};
  const uint32_t count = reader.next();
  for (uint32_t i = 0; i < count; ++i) distinct[i] = static_cast<T>(reader.next_signed());
  std::array<T, kCount> values = {};
  for (size_t i = 0; i < kCount;) {
    const T value = distinct[reader.next()];
    for (uint32_t left = reader.next() + 1; left > 0; --left) values[i++] = value;
  }
  return values;
}

template <typename T, size_t kPages>
constexpr Pages<T, kPages> pages_of(const std::array<T, kPages * kPageSize>& values) {
  Pages<T, kPages> pages = {};
  for (size_t i = 0; i < values.size(); ++i) pages[i / kPageSize][i % kPageSize] = values[i];
  return pages;
}

template <typename T, size_t kPages>
constexpr Pages<T, kPages> unpack_pages(const char* text) {
  return pages_of<T, kPages>(unpack_runs<T, kPages * kPageSize>(text));
}

constexpr PageIndex unpack_index(const char* text) {
  return unpack_runs<uint8_t, kPageNumbers>(text);
}

struct Decompositions {
  std::array<char32_t, kDecompositionPoolSize> pool = {};
  /// Of each text, numbered from 1 on; 0 is none.
  std::array<uint16_t, kDecompositionCount + 1> places = {};
};

constexpr Decompositions unpack_decompositions() {
  Decompositions found;
  Reader reader(kDecompositionsText);
  std::array<char32_t, 64> last = {};
  uint32_t length = 0;
  uint16_t place = 1;
  for (size_t i = 1; i <= kDecompositionCount; ++i) {
    found.places[i] = place;
    length += static_cast<uint32_t>(reader.next_signed());
    found.pool[place++] = length;
    for (uint32_t k = 0; k < length; ++k) {
      last[k] += static_cast<char32_t>(reader.next_signed());
      found.pool[place++] = last[k];
    }
  }
  return found;
}

constexpr Decompositions kUnpacked = unpack_decompositions();

// Runs of texts' numbers, as places in the pool.
template <size_t kPages>
constexpr Pages<uint16_t, kPages> unpack_places(const char* text) {
  std::array<uint16_t, kPages* kPageSize> values = {};
  Reader reader(text);
  int32_t number = 0;
  for (size_t i = 0; i < values.size();) {
    const uint32_t word = reader.next();
    number += Reader::without_sign_bit(word / 2);
    const uint32_t count = word % 2 == 0 ? 1 : reader.next() + 2;
    for (uint32_t left = count; left > 0; --left) {
      values[i++] = kUnpacked.places[static_cast<size_t>(number)];
    }
  }
  return pages_of<uint16_t, kPages>(values);
}

constexpr std::array<CompositionPair, kCompositionCount> unpack_compositions() {
  std::array<CompositionPair, kCompositionCount> pairs = {};
  Reader reader(kCompositionsText);
  CompositionPair last = {};
  for (CompositionPair& pair : pairs) {
    for (char32_t* part : {&last.first, &last.second, &last.composite}) {
      *part += static_cast<char32_t>(reader.next_signed());
    }
    pair = last;
  }
  return pairs;
}

constexpr std::array<CodePointRange, kNamedRangeCount> unpack_ranges() {
  std::array<CodePointRange, kNamedRangeCount> ranges = {};
  Reader reader(kNamedRangesText);
  char32_t last = 0;
  for (CodePointRange& range : ranges) {
    range.first = last + static_cast<char32_t>(reader.next_signed());
    range.last = last = range.first + reader.next();
  }
  return ranges;
}

}  // namespace

constinit const PageIndex kPropertiesIndex = unpack_index(kPropertiesIndexText);
constinit const Pages<uint32_t, kPropertiesPageCount> kPropertiesPages =
    unpack_pages<uint32_t, kPropertiesPageCount>(kPropertiesPagesText);
constinit const PageIndex kLowerDeltaIndex = unpack_index(kLowerDeltaIndexText);
constinit const Pages<int32_t, kLowerDeltaPageCount> kLowerDeltaPages =
    unpack_pages<int32_t, kLowerDeltaPageCount>(kLowerDeltaPagesText);
constinit const PageIndex kCombiningClassIndex = unpack_index(kCombiningClassIndexText);
constinit const Pages<uint8_t, kCombiningClassPageCount> kCombiningClassPages =
    unpack_pages<uint8_t, kCombiningClassPageCount>(kCombiningClassPagesText);
constinit const PageIndex kNfdIndex = unpack_index(kNfdIndexText);
constinit const Pages<uint16_t, kNfdPageCount> kNfdPages =
    unpack_places<kNfdPageCount>(kNfdPagesText);
constinit const PageIndex kNfkdIndex = unpack_index(kNfkdIndexText);
constinit const Pages<uint16_t, kNfkdPageCount> kNfkdPages =
    unpack_places<kNfkdPageCount>(kNfkdPagesText);
constinit const PageIndex kGraphemeIndex = unpack_index(kGraphemeIndexText);
constinit const Pages<uint8_t, kGraphemePageCount> kGraphemePages =
    unpack_pages<uint8_t, kGraphemePageCount>(kGraphemePagesText);
constinit const std::array<char32_t, kDecompositionPoolSize> kDecompositions = kUnpacked.pool;
constinit const std::array<CompositionPair, kCompositionCount> kCompositions =
    unpack_compositions();
constinit const std::array<CodePointRange, kNamedRangeCount> kNamedRanges = unpack_ranges();

}  // namespace tamis::tokenizer::unicode_tables
