// Facts recorded from the Hugging Face library by tools/generate/make_unicode.py, checked over all
// code points: a wrong table entry changes a checksum.
#include "tokenizer/unicode/unicode.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

namespace tamis::tokenizer {
namespace {

constexpr uint64_t kFnvBasis = 0xcbf29ce484222325u;

uint64_t fnv(uint64_t hash, uint8_t byte) { return (hash ^ byte) * 0x100000001b3u; }

uint64_t fnv_word(uint64_t hash, uint32_t word) {
  for (int shift = 0; shift < 32; shift += 8) {
    hash = fnv(hash, static_cast<uint8_t>(word >> shift));
  }
  return hash;
}

bool is_surrogate(char32_t c) { return c >= 0xD800 && c <= 0xDFFF; }

struct SetFacts {
  int64_t count = 0;
  uint64_t checksum = kFnvBasis;
};

// Over a bit map of all code points, 8 to a byte, lowest bit first.
SetFacts facts_of(const std::function<bool(char32_t)>& contains) {
  SetFacts facts;
  for (char32_t c = 0; c <= kLastCodePoint; c += 8) {
    uint8_t byte = 0;
    for (char32_t bit = 0; bit < 8; ++bit) {
      if (is_surrogate(c + bit) || !contains(c + bit)) continue;
      byte = static_cast<uint8_t>(byte | 1u << bit);
      ++facts.count;
    }
    facts.checksum = fnv(facts.checksum, byte);
  }
  return facts;
}

void expect_set(const std::string& name, const std::function<bool(char32_t)>& contains,
                int64_t count, uint64_t checksum) {
  const SetFacts facts = facts_of(contains);
  EXPECT_EQ(facts.count, count) << name;
  EXPECT_EQ(facts.checksum, checksum) << name;
}

void expect_ranges(std::string_view name, int64_t count, uint64_t checksum) {
  const auto ranges = class_ranges(name);
  ASSERT_TRUE(ranges.has_value()) << name;
  std::vector<bool> members(kLastCodePoint + 1);
  for (const CodePointRange& range : *ranges) {
    for (char32_t c = range.first; c <= range.last; ++c) members[c] = true;
  }
  expect_set(
      std::string(name), [&](char32_t c) { return members[c]; }, count, checksum);
}

using Mapping = std::function<std::u32string(char32_t)>;

uint64_t mapping_checksum(const Mapping& mapping) {
  uint64_t hash = kFnvBasis;
  for (char32_t c = 0; c <= kLastCodePoint; ++c) {
    if (is_surrogate(c)) continue;
    const std::u32string mapped = mapping(c);
    if (mapped.size() == 1 && mapped[0] == c) continue;
    hash = fnv_word(fnv_word(hash, c), static_cast<uint32_t>(mapped.size()));
    for (const char32_t m : mapped) hash = fnv_word(hash, m);
  }
  return hash;
}

std::u32string normalized(std::u32string_view text, NormalForm form) {
  std::vector<ChangedCodePoint> out;
  normalize(text, form, out);
  std::u32string plain;
  for (const ChangedCodePoint& c : out) plain += c.code_point;
  return plain;
}

uint64_t hash_utf8(uint64_t hash, std::u32string_view text) {
  for (const char32_t c : text) {
    const auto put = [&](char32_t byte) { hash = fnv(hash, static_cast<uint8_t>(byte)); };
    if (c < 0x80) {
      put(c);
    } else if (c < 0x800) {
      put(0xC0 | c >> 6);
      put(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
      put(0xE0 | c >> 12);
      put(0x80 | (c >> 6 & 0x3F));
      put(0x80 | (c & 0x3F));
    } else {
      put(0xF0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3F));
      put(0x80 | (c >> 6 & 0x3F));
      put(0x80 | (c & 0x3F));
    }
  }
  return hash;
}

// The sequences that tools/generate/make_unicode.py draws, by the same 64-bit LCG.
uint64_t sequences_checksum(const std::u32string& pool, int count, uint32_t longest,
                            const std::function<std::u32string(std::u32string_view)>& answer) {
  uint64_t state = 1;
  const auto step = [&](uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>((state >> 33) % below);
  };
  uint64_t hash = kFnvBasis;
  for (int i = 0; i < count; ++i) {
    std::u32string text;
    for (size_t left = 1 + step(longest); left > 0; --left) text += pool[step(pool.size())];
    if (i > 0) hash = fnv(hash, '\n');
    hash = hash_utf8(hash, answer(text));
  }
  return hash;
}

// What a Precompiled normalizer answers whose every character maps to X: a cluster under 6 bytes
// gives one, a longer one one a character.
std::u32string count_clusters(std::u32string_view text) {
  const auto size = [](char32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; };
  std::u32string out;
  for (size_t at = 0; at < text.size();) {
    const size_t next = next_grapheme(text, at);
    int bytes = 0;
    for (size_t i = at; i < next; ++i) bytes += size(text[i]);
    out += std::u32string(bytes < 6 ? 1 : next - at, U'X');
    at = next;
  }
  return out;
}

#define CATEGORY(name, count, checksum)
#define CLASS(name, count, checksum)
#define NAMED(name, count, checksum)
#define MAPPING(name, checksum)
#define POOL(name, ...) const std::u32string name = {__VA_ARGS__};
#define SEQUENCES(form, checksum)
#define GRAPHEMES(checksum)
#include "tokenizer/unicode/unicode_facts.inc"
#undef POOL
#define POOL(name, ...)

TEST(Unicode, GeneralCategories) {
#undef CATEGORY
#define CATEGORY(name, count, checksum)                                                           \
  expect_set(                                                                                     \
      #name, [](char32_t c) { return in_categories(c, category_bit(GeneralCategory::k##name)); }, \
      count, checksum);                                                                           \
  expect_ranges(#name, count, checksum);
#include "tokenizer/unicode/unicode_facts.inc"
#undef CATEGORY
#define CATEGORY(name, count, checksum)
}

TEST(Unicode, ClassesOfTheLibrary) {
#undef CLASS
#define CLASS(name, count, checksum) \
  expect_set(                        \
      #name, [](char32_t c) { return has_class(c, k##name); }, count, checksum);
#include "tokenizer/unicode/unicode_facts.inc"
#undef CLASS
#define CLASS(name, count, checksum)
}

TEST(Unicode, NamedClasses) {
#undef NAMED
#define NAMED(name, count, checksum) expect_ranges(name, count, checksum);
#include "tokenizer/unicode/unicode_facts.inc"
#undef NAMED
#define NAMED(name, count, checksum)
}

TEST(Unicode, GroupsAndAliasesOfClasses) {
  const auto total = [](std::string_view name) {
    int64_t count = 0;
    const std::vector<CodePointRange> ranges = class_ranges(name).value();
    for (const CodePointRange& r : ranges) count += r.last - r.first + 1;
    return count;
  };
  EXPECT_EQ(total("L"), total("Lu") + total("Ll") + total("Lt") + total("Lm") + total("Lo"));
  EXPECT_EQ(total("P"), total("Pc") + total("Pd") + total("Ps") + total("Pe") + total("Pi") +
                            total("Pf") + total("Po"));
  EXPECT_EQ(total("\\d"), total("Nd"));
  EXPECT_EQ(total("\\s"), 25);
  EXPECT_EQ(total("any"), 0x110000);
  EXPECT_EQ(total("white_space"), total("WhiteSpace"));
  EXPECT_FALSE(class_ranges("Klingon").has_value());
  EXPECT_FALSE(class_ranges("").has_value());
}

TEST(Unicode, MappingsOfEveryCodePoint) {
  const auto form_of = [](NormalForm form) {
    return [form](char32_t c) { return normalized({&c, 1}, form); };
  };
  std::map<std::string, Mapping> mappings;
  mappings["Lower"] = [](char32_t c) {
    const LowerCase lower = lower_case(c);
    return std::u32string(lower.code_points, lower.count);
  };
  mappings["Nfd"] = form_of(NormalForm::kNfd);
  mappings["Nfkd"] = form_of(NormalForm::kNfkd);
  mappings["Nfc"] = form_of(NormalForm::kNfc);
  mappings["Nfkc"] = form_of(NormalForm::kNfkc);
#undef MAPPING
#define MAPPING(name, checksum) EXPECT_EQ(mapping_checksum(mappings.at(#name)), checksum) << #name;
#include "tokenizer/unicode/unicode_facts.inc"
#undef MAPPING
#define MAPPING(name, checksum)
}

TEST(Unicode, NormalFormsOfSequences) {
#undef SEQUENCES
#define SEQUENCES(form, checksum)                                                                \
  EXPECT_EQ(sequences_checksum(                                                                  \
                kMarks, 20000, 8,                                                                \
                [](std::u32string_view text) { return normalized(text, NormalForm::k##form); }), \
            checksum)                                                                            \
      << #form;
#include "tokenizer/unicode/unicode_facts.inc"
#undef SEQUENCES
#define SEQUENCES(form, checksum)
}

TEST(Unicode, GraphemeClusters) {
#undef GRAPHEMES
#define GRAPHEMES(checksum) \
  EXPECT_EQ(sequences_checksum(kGraphemes, 50000, 9, count_clusters), checksum);
#include "tokenizer/unicode/unicode_facts.inc"
}

TEST(Unicode, SafeTextIsItsOwnNormalForm) {
  for (const NormalForm form :
       {NormalForm::kNfd, NormalForm::kNfkd, NormalForm::kNfc, NormalForm::kNfkc}) {
    for (char32_t c = 0; c <= kLastCodePoint; ++c) {
      if (is_surrogate(c) || has_class(c, unsafe_class(form))) continue;
      const char32_t text[] = {U'e', c, U'e'};
      ASSERT_EQ(normalized({text, 3}, form), std::u32string(text, 3)) << std::hex << uint32_t{c};
    }
  }
}

TEST(Unicode, ChangesTellWhereCodePointsComeFrom) {
  std::vector<ChangedCodePoint> out;
  normalize(U"\u00e9x", NormalForm::kNfd, out);
  ASSERT_EQ(out.size(), 3u);
  EXPECT_EQ(out[0].change, 0);
  EXPECT_EQ(out[1].change, 1);
  EXPECT_EQ(out[2].change, 0);
  out.clear();
  normalize(U"e\u0301x", NormalForm::kNfc, out);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].code_point, U'\u00e9');
  EXPECT_EQ(out[0].change, -1);
  EXPECT_EQ(out[1].change, 0);
}

TEST(Unicode, LongestRunOfMarksIsSortedOnce) {
  // 200,000 marks behind one letter must not take quadratic time.
  std::u32string text(1, U'a');
  for (int i = 0; i < 100000; ++i) text += U"\u0301\u0323";
  const std::u32string sorted = normalized(text, NormalForm::kNfd);
  ASSERT_EQ(sorted.size(), text.size());
  EXPECT_EQ(sorted[1], U'\u0323');
  EXPECT_EQ(sorted.back(), U'\u0301');
}

}  // namespace
}  // namespace tamis::tokenizer
