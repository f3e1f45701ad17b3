#include "tasks/words.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tamis::tasks {
namespace {

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> found;
  for (const Word& word : split_words(text)) found.emplace_back(word.text);
  return found;
}

using List = std::vector<std::string>;

// What Python's re gives of \w+(?:[-_]\w+)*|\S.
TEST(Words, AreThoseOfThePattern) {
  EXPECT_EQ(words(""), List());
  EXPECT_EQ(words(" \t\r\n\v\f"), List());
  EXPECT_EQ(words("a"), List({"a"}));
  EXPECT_EQ(words("state-of-the-art e-"), List({"state-of-the-art", "e", "-"}));
  EXPECT_EQ(words("-a a--b a-_b a_-b _"),
            List({"-", "a", "a", "-", "-", "b", "a-_b", "a_-b", "_"}));
  EXPECT_EQ(words("<<ENT>> U.S."), List({"<", "<", "ENT", ">", ">", "U", ".", "S", "."}));
  EXPECT_EQ(words("3.5x"), List({"3", ".", "5x"}));
}

TEST(Words, CountLettersAndNumbersOfAnyScriptButNoMarks) {
  EXPECT_EQ(words("naïve Čapek"), List({"naïve", "Čapek"}));
  EXPECT_EQ(words("東京は"), List({"東京は"}));
  EXPECT_EQ(words("e\xCC\x81t"), List({"e", "\xCC\x81", "t"}));  // U+0301, which is no \w in Python
  EXPECT_EQ(words("x²½Ⅷ"), List({"x²½Ⅷ"}));
  EXPECT_EQ(words("😀a"), List({"😀", "a"}));
}

TEST(Words, ArePartedByPythonsSpaces) {
  EXPECT_EQ(words("a\xC2\xA0"
                  "b\xE2\x80\x83"
                  "c\xE3\x80\x80"
                  "d"),
            List({"a", "b", "c", "d"}));
  EXPECT_EQ(words("a\x1C"
                  "b\x1F"
                  "c\xC2\x85"
                  "d"),
            List({"a", "b", "c", "d"}));
  // U+200B is no space.
  EXPECT_EQ(words("a\xE2\x80\x8B"
                  "b"),
            List({"a", "\xE2\x80\x8B", "b"}));
}

TEST(Words, StandAtCodePoints) {
  const auto found = split_words("東京 a-b 😀!");
  ASSERT_EQ(found.size(), 4U);
  EXPECT_EQ(found[0].at, (tokenizer::Span{0, 2}));
  EXPECT_EQ(found[1].at, (tokenizer::Span{3, 6}));
  EXPECT_EQ(found[2].at, (tokenizer::Span{7, 8}));
  EXPECT_EQ(found[3].at, (tokenizer::Span{8, 9}));
}

}  // namespace
}  // namespace tamis::tasks
