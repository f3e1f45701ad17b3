#include "tokenizer/unicode/unicode.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace tamis::tokenizer {
namespace {

using namespace unicode_tables;  // NOLINT: this file is the tables' other half

// Hangul syllables are arithmetic: Unicode 3.12.
constexpr char32_t kHangulS = 0xAC00, kHangulL = 0x1100, kHangulV = 0x1161, kHangulT = 0x11A7;
constexpr char32_t kHangulLs = 19, kHangulVs = 21, kHangulTs = 28;
constexpr char32_t kHangulSyllables = kHangulLs * kHangulVs * kHangulTs;

constexpr bool is_hangul_syllable(char32_t c) {
  return c >= kHangulS && c < kHangulS + kHangulSyllables;
}

void append_range(std::vector<CodePointRange>& ranges, char32_t first, char32_t last) {
  if (!ranges.empty() && ranges.back().last + 1 == first) {
    ranges.back().last = last;
  } else {
    ranges.push_back({first, last});
  }
}

// Most pages hold one class only and are shared, so that each is looked at once.
template <typename Predicate>
std::vector<CodePointRange> ranges_where(const Predicate& predicate) {
  enum class Page : uint8_t { kUnknown, kNone, kAll, kSome };
  std::array<Page, 256> kinds{};
  const auto kind_of = [&](const uint32_t* words) {
    const auto members = std::count_if(words, words + 256, predicate);
    return members == 0 ? Page::kNone : members == 256 ? Page::kAll : Page::kSome;
  };
  std::vector<CodePointRange> ranges;
  for (char32_t first = 0; first <= kLastCodePoint; first += 256) {
    const uint8_t index = kPropertiesIndex[first >> 8];
    const uint32_t* words = kPropertiesPages[index].data();
    Page& kind = kinds[index];
    if (kind == Page::kUnknown) kind = kind_of(words);
    if (kind == Page::kAll) append_range(ranges, first, first + 255);
    if (kind != Page::kSome) continue;
    for (char32_t i = 0; i < 256; ++i) {
      if (predicate(words[i])) append_range(ranges, first + i, first + i);
    }
  }
  return ranges;
}

constexpr const char* kCategoryNames[] = {
    "lu", "ll", "lt", "lm", "lo", "mn", "mc", "me", "nd", "nl", "no", "pc", "pd", "ps", "pe",
    "pi", "pf", "po", "sm", "sc", "sk", "so", "zs", "zl", "zp", "cc", "cf", "cs", "co", "cn"};

struct CategoryGroup {
  std::string_view name;
  uint32_t categories;
};

constexpr uint32_t kCasedLetters = category_bit(GeneralCategory::kLu) |
                                   category_bit(GeneralCategory::kLl) |
                                   category_bit(GeneralCategory::kLt);
constexpr uint32_t kAssigned =
    ~category_bit(GeneralCategory::kCn) &
    (kLetters | kMarks | kNumbers | kPunctuations | kSymbols | kSeparators | kOthers);

constexpr CategoryGroup kGroups[] = {
    {"l", kLetters},
    {"letter", kLetters},
    {"m", kMarks},
    {"mark", kMarks},
    {"n", kNumbers},
    {"number", kNumbers},
    {"p", kPunctuations},
    {"punctuation", kPunctuations},
    {"s", kSymbols},
    {"symbol", kSymbols},
    {"z", kSeparators},
    {"separator", kSeparators},
    {"c", kOthers},
    {"other", kOthers},
    {"lc", kCasedLetters},
    {"casedletter", kCasedLetters},
    {"assigned", kAssigned},
    {"uppercaseletter", category_bit(GeneralCategory::kLu)},
    {"lowercaseletter", category_bit(GeneralCategory::kLl)},
    {"titlecaseletter", category_bit(GeneralCategory::kLt)},
    {"modifierletter", category_bit(GeneralCategory::kLm)},
    {"otherletter", category_bit(GeneralCategory::kLo)},
    {"nonspacingmark", category_bit(GeneralCategory::kMn)},
    {"spacingmark", category_bit(GeneralCategory::kMc)},
    {"enclosingmark", category_bit(GeneralCategory::kMe)},
    {"decimalnumber", category_bit(GeneralCategory::kNd)},
    {"digit", category_bit(GeneralCategory::kNd)},
    {"letternumber", category_bit(GeneralCategory::kNl)},
    {"othernumber", category_bit(GeneralCategory::kNo)},
    {"\\d", category_bit(GeneralCategory::kNd)},
};

std::string folded_name(std::string_view name) {
  std::string folded;
  for (const char c : name) {
    if (c == '_' || c == '-' || c == ' ') continue;
    folded += (c >= 'A' && c <= 'Z') ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return folded;
}

std::optional<uint32_t> categories_of(std::string_view folded) {
  for (size_t i = 0; i < std::size(kCategoryNames); ++i) {
    if (folded == kCategoryNames[i]) return 1u << i;
  }
  for (const CategoryGroup& group : kGroups) {
    if (folded == group.name) return group.categories;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::vector<CodePointRange>> class_ranges(std::string_view name) {
  const std::string folded = folded_name(name);
  if (const auto categories = categories_of(folded)) {
    return ranges_where([&](uint32_t word) { return word_in_categories(word, *categories); });
  }
  if (folded == "\\w") return ranges_where([](uint32_t w) { return (w & kPatternWord) != 0; });
  if (folded == "\\s") return ranges_where([](uint32_t w) { return (w & kWhiteSpace) != 0; });
  if (folded == "any") return std::vector<CodePointRange>{{0, kLastCodePoint}};
  if (folded == "ascii") return std::vector<CodePointRange>{{0, 0x7F}};
  if (folded == "alpha") return class_ranges("alphabetic");
  if (folded == "upper") return class_ranges("uppercase");
  if (folded == "lower") return class_ranges("lowercase");
  for (size_t i = 0; i < kNamedClassCount; ++i) {
    const NamedClass& named = kNamedClasses[i];
    if (folded != named.name) continue;
    const CodePointRange* first = kNamedRanges.data() + named.first_range;
    return std::vector<CodePointRange>(first, first + named.range_count);
  }
  return std::nullopt;
}

LowerCase lower_case(char32_t c) {
  if (c == 0x130) return {{'i', 0x307}, 2};
  const int32_t delta = kLowerDeltaPages[kLowerDeltaIndex[c >> 8]][c & 255];
  return {{static_cast<char32_t>(static_cast<int32_t>(c) + delta), 0}, 1};
}

std::u32string_view table_decomposition(char32_t c, Decomposition kind) {
  const uint16_t place = kind == Decomposition::kCanonical
                             ? kNfdPages[kNfdIndex[c >> 8]][c & 255]
                             : kNfkdPages[kNfkdIndex[c >> 8]][c & 255];
  return {kDecompositions.data() + place + 1, kDecompositions[place]};
}

void append_decomposition(std::u32string& out, char32_t c, Decomposition kind) {
  if (is_hangul_syllable(c)) {
    const char32_t index = c - kHangulS;
    out += kHangulL + index / (kHangulVs * kHangulTs);
    out += kHangulV + index / kHangulTs % kHangulVs;
    if (index % kHangulTs != 0) out += kHangulT + index % kHangulTs;
    return;
  }
  const std::u32string_view decomposed = table_decomposition(c, kind);
  if (decomposed.empty()) {
    out += c;
  } else {
    out += decomposed;
  }
}

char32_t compose_pair(char32_t first, char32_t second) {
  if (!has_class(first, kComposesFirst) || !has_class(second, kComposesSecond)) return 0;
  if (first >= kHangulL && first < kHangulL + kHangulLs) {
    if (second < kHangulV || second >= kHangulV + kHangulVs) return 0;
    return kHangulS + ((first - kHangulL) * kHangulVs + (second - kHangulV)) * kHangulTs;
  }
  if (is_hangul_syllable(first)) {
    // Only a syllable without a final takes one; kComposesFirst says so.
    if (second <= kHangulT || second >= kHangulT + kHangulTs) return 0;
    return first + (second - kHangulT);
  }
  const auto* const end = kCompositions.end();
  const CompositionPair* found =
      std::lower_bound(kCompositions.begin(), end, CompositionPair{first, second, 0},
                       [](const CompositionPair& a, const CompositionPair& b) {
                         return a.first != b.first ? a.first < b.first : a.second < b.second;
                       });
  if (found == end || found->first != first || found->second != second) return 0;
  return found->composite;
}

namespace {

// Decomposes `text` into canonical order.
bool decompose(std::u32string_view text, Decomposition kind, std::vector<ChangedCodePoint>& out,
               size_t most) {
  std::u32string parts;
  size_t marks_begin = out.size();  // behind the last code point of class 0
  const auto sort_marks = [&] {
    if (out.size() - marks_begin < 2) return;
    std::stable_sort(out.begin() + static_cast<std::ptrdiff_t>(marks_begin), out.end(),
                     [](const ChangedCodePoint& a, const ChangedCodePoint& b) {
                       return combining_class(a.code_point) < combining_class(b.code_point);
                     });
  };
  for (const char32_t c : text) {
    parts.clear();
    append_decomposition(parts, c, kind);
    for (size_t i = 0; i < parts.size(); ++i) {
      const bool starter = combining_class(parts[i]) == 0;
      if (starter) sort_marks();
      out.push_back({parts[i], i == 0 ? 0 : 1});
      if (starter) marks_begin = out.size();
    }
    if (out.size() > most) return false;
  }
  sort_marks();
  return true;
}

// Composes in place what stands decomposed and ordered behind `begin`.
void compose(std::vector<ChangedCodePoint>& out, size_t begin) {
  constexpr size_t kNone = static_cast<size_t>(-1);
  size_t starter = kNone;  // where the composite grows
  size_t end = begin;
  int last_class = -1;  // of what stands between the starter and the next code point, -1: nothing
  for (size_t i = begin; i < out.size(); ++i) {
    const ChangedCodePoint next = out[i];
    const int next_class = combining_class(next.code_point);
    if (starter != kNone && last_class < next_class) {
      const char32_t composite = compose_pair(out[starter].code_point, next.code_point);
      if (composite != 0) {
        out[starter] = {composite, out[starter].change + next.change - 1};
        continue;
      }
    }
    out[end] = next;
    if (next_class == 0) {
      starter = end;
      last_class = -1;
    } else if (starter != kNone) {
      last_class = next_class;
    }
    ++end;
  }
  out.resize(end);
}

}  // namespace

bool normalize(std::u32string_view text, NormalForm form, std::vector<ChangedCodePoint>& out,
               size_t most) {
  const bool canonical = form == NormalForm::kNfd || form == NormalForm::kNfc;
  const size_t begin = out.size();
  const auto kind = canonical ? Decomposition::kCanonical : Decomposition::kCompatibility;
  if (!decompose(text, kind, out, most)) return false;
  if (form == NormalForm::kNfc || form == NormalForm::kNfkc) compose(out, begin);
  return true;
}

namespace {

// Order fixed by the generated table: Grapheme_Cluster_Break with the pictographs beside it.
enum Grapheme : uint8_t {
  kOther,
  kControl,
  kExtend,
  kSpacingMark,
  kPrepend,
  kPictograph,
  kL,
  kV,
  kT,
  kLv,
  kLvt,
  kRegionalIndicator,
  kZwj,
  kCr,
  kLf
};
enum Conjunct : uint8_t { kNoConjunct, kConsonant, kLinker, kConjunctExtend };

struct GraphemeClass {
  Grapheme grapheme;
  Conjunct conjunct;
};

GraphemeClass grapheme_class(char32_t c) {
  const uint8_t packed = kGraphemePages[kGraphemeIndex[c >> 8]][c & 255];
  return {static_cast<Grapheme>(packed & 15), static_cast<Conjunct>(packed >> 4)};
}

bool is_break_always(Grapheme g) { return g == kControl || g == kCr || g == kLf; }

// Rules GB6 to GB8: Hangul syllable sequences.
bool continues_hangul(Grapheme before, Grapheme after) {
  if (before == kL) return after == kL || after == kV || after == kLv || after == kLvt;
  if (before == kLv || before == kV) return after == kV || after == kT;
  return (before == kLvt || before == kT) && after == kT;
}

// What rules GB9c, GB11 and GB12 remember of the cluster so far.
struct ClusterState {
  bool pictograph = false;         // a pictograph, then only Extend
  bool joined_pictograph = false;  // ... and a zero width joiner last
  bool consonant = false;          // a consonant, then only linkers and extenders
  bool linker = false;             // ... among them a linker
  int regional_indicators = 0;

  void add(GraphemeClass c) {
    joined_pictograph = c.grapheme == kZwj && pictograph;
    pictograph = c.grapheme == kPictograph || (c.grapheme == kExtend && pictograph);
    linker = consonant && (linker || c.conjunct == kLinker) &&
             (c.conjunct == kLinker || c.conjunct == kConjunctExtend);
    consonant = c.conjunct == kConsonant ||
                (consonant && (c.conjunct == kLinker || c.conjunct == kConjunctExtend));
    regional_indicators = c.grapheme == kRegionalIndicator ? regional_indicators + 1 : 0;
  }

  [[nodiscard]] bool continues(Grapheme before, GraphemeClass after) const {
    const Grapheme next = after.grapheme;
    if (before == kCr && next == kLf) return true;
    if (is_break_always(before) || is_break_always(next)) return false;
    if (continues_hangul(before, next)) return true;
    if (next == kExtend || next == kZwj || next == kSpacingMark || before == kPrepend) return true;
    if (linker && after.conjunct == kConsonant) return true;
    if (joined_pictograph && next == kPictograph) return true;
    return next == kRegionalIndicator && regional_indicators % 2 == 1;
  }
};

}  // namespace

size_t next_grapheme(std::u32string_view text, size_t at) {
  GraphemeClass before = grapheme_class(text[at]);
  ClusterState state;
  state.add(before);
  for (++at; at < text.size(); ++at) {
    const GraphemeClass after = grapheme_class(text[at]);
    if (!state.continues(before.grapheme, after)) break;
    state.add(after);
    before = after;
  }
  return at;
}

}  // namespace tamis::tokenizer
