#include "model/calibration_texts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tokenizer/utf8.h"

namespace tamis::api {
namespace {

bool has_between(std::string_view text, char32_t first, char32_t last) {
  for (size_t at = 0; at < text.size(); at += tokenizer::utf8_size(text[at])) {
    const char32_t c = tokenizer::decode_utf8(text.data() + at);
    if (c >= first && c <= last) return true;
  }
  return false;
}

bool is_cyrillic(std::string_view text) { return has_between(text, 0x400, 0x4FF); }
bool is_arabic(std::string_view text) { return has_between(text, 0x600, 0x6FF); }
bool is_japanese(std::string_view text) { return has_between(text, 0x3040, 0x30FF); }
bool is_chinese(std::string_view text) {
  return has_between(text, 0x4E00, 0x9FFF) && !is_japanese(text);
}
bool is_latin(std::string_view text) {
  return !is_cyrillic(text) && !is_arabic(text) && !is_japanese(text) && !is_chinese(text);
}

struct Script {
  const char* name;
  bool (*matches)(std::string_view);
  size_t least;  // texts
};

constexpr Script kScripts[] = {{"Latin", is_latin, 240},
                               {"Cyrillic", is_cyrillic, 12},
                               {"Arabic", is_arabic, 12},
                               {"Chinese", is_chinese, 12},
                               {"Japanese", is_japanese, 12}};

/// Words between spaces; Chinese and Japanese have next to none.
size_t count_words(std::string_view text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), ' ')) + 1;
}

size_t count_containing(std::string_view part) {
  const auto texts = calibration_texts();
  return static_cast<size_t>(std::count_if(texts.begin(), texts.end(), [part](auto text) {
    return text.find(part) != std::string_view::npos;
  }));
}

TEST(CalibrationTextsTest, HoldsThreeHundredDistinctTexts) {
  const auto texts = calibration_texts();
  EXPECT_GE(texts.size(), 300u);
  std::set<std::string_view> seen;
  for (const std::string_view text : texts) EXPECT_TRUE(seen.insert(text).second) << text;
}

TEST(CalibrationTextsTest, IsCleanUtf8) {
  for (const std::string_view text : calibration_texts()) {
    ASSERT_FALSE(text.empty());
    ASSERT_EQ(tokenizer::find_invalid_utf8(text), std::string_view::npos) << text;
    EXPECT_FALSE(has_between(text, 0, 0x1F)) << text;
    EXPECT_NE(text.front(), ' ') << text;
    EXPECT_NE(text.back(), ' ') << text;
    // A literal split over two lines must keep exactly one space at the seam.
    EXPECT_EQ(text.find("  "), std::string_view::npos) << text;
  }
}

TEST(CalibrationTextsTest, EveryScriptIsInBothHalves) {
  const auto texts = calibration_texts();
  for (const Script& script : kScripts) {
    size_t halves[2] = {0, 0};
    for (size_t i = 0; i < texts.size(); ++i) halves[i % 2] += script.matches(texts[i]) ? 1 : 0;
    EXPECT_GE(halves[0] + halves[1], script.least) << script.name;
    // Every second text may be held out: neither side may lack a script.
    EXPECT_GE(halves[0], script.least / 2) << script.name;
    EXPECT_GE(halves[1], script.least / 2) << script.name;
  }
}

TEST(CalibrationTextsTest, ShortPrefixMeetsEveryScript) {
  const auto texts = calibration_texts().first(64);
  for (const Script& script : kScripts) {
    EXPECT_TRUE(std::any_of(texts.begin(), texts.end(), script.matches)) << script.name;
  }
}

TEST(CalibrationTextsTest, HoldsEachLatinLanguage) {
  // Letters that the other languages do not write, or words that they do not have.
  for (const std::string_view mark :
       {" the ", " und ", " du ", " el ", " il ", "ão", " een ", "ł"}) {
    EXPECT_GE(count_containing(mark), 3u) << mark;
  }
}

TEST(CalibrationTextsTest, LengthsVary) {
  std::vector<size_t> words;
  for (const std::string_view text : calibration_texts()) {
    EXPECT_LE(count_words(text), 60u) << text;
    EXPECT_LE(tokenizer::count_code_points(text), 400u) << text;
    const bool spaced = !is_chinese(text) && !is_japanese(text);
    if (spaced) words.push_back(count_words(text));
  }
  std::sort(words.begin(), words.end());
  EXPECT_GE(words.front(), 3u);
  EXPECT_LE(words[words.size() / 10], 6u);
  EXPECT_GE(words[words.size() / 2], 10u);
  EXPECT_GE(words[words.size() * 9 / 10], 20u);
  EXPECT_GE(words.back(), 50u);
}

}  // namespace
}  // namespace tamis::api
