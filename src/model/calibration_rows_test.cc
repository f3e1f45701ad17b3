#include "model/calibration_rows.h"

#include <algorithm>

#include "model/calibration_texts.h"
#include "model/test_util.h"

namespace tamis::api {
namespace {

std::vector<std::string> texts_of(const std::vector<TextRow>& rows) {
  std::vector<std::string> texts;
  for (const TextRow& row : rows) texts.push_back(*row.text);
  return texts;
}

// Nothing is measured that was looked at, and nothing twice.
TEST(SplitRows, ATextThatComesAgainIsOnOneSide) {
  const auto model = load_checkpoint("models/bert-sequence-classification");
  std::vector<TextRow> rows;
  for (const char* text : {"one", "two", "one", "one", "three", "two", "four", "two"}) {
    rows.emplace_back();
    rows.back().text = text;
  }
  const CalibrationRows parts = split_rows(*model, {rows, "rows.tsv"});
  EXPECT_EQ(texts_of(parts.held_out), (std::vector<std::string>{"two", "four"}));
  const std::vector<std::string> used = texts_of(parts.used);
  ASSERT_GE(used.size(), 4U);
  EXPECT_EQ(std::vector<std::string>(used.begin(), used.begin() + 4),
            (std::vector<std::string>{"one", "one", "one", "three"}));
  EXPECT_EQ(static_cast<int64_t>(used.size()), 4 + parts.added);
}

// Nor is a text of the file's that happens to be one of those that fill up.
TEST(SplitRows, WhatIsHeldOutDoesNotFillUp) {
  const auto model = load_checkpoint("models/bert-sequence-classification");
  std::vector<TextRow> rows = shaped_rows(*model, calibration_texts().first(1));
  ASSERT_EQ(rows.size(), 1U);
  const std::string held = *rows[0].text;
  rows.emplace(rows.begin())->text = "one";
  const CalibrationRows parts = split_rows(*model, {rows, "rows.tsv"});
  EXPECT_EQ(texts_of(parts.held_out), std::vector<std::string>{held});
  const std::vector<std::string> used = texts_of(parts.used);
  EXPECT_GT(parts.added, 0);
  EXPECT_EQ(std::ranges::count(used, held), 0);
  EXPECT_EQ(static_cast<int64_t>(used.size()), 1 + parts.added);
}

// Those given to be measured on are all held out, once each, and no other text is.
TEST(SplitRows, TextsOfTheirOwnAreMeasuredOn) {
  const auto model = load_checkpoint("models/bert-sequence-classification");
  const auto rows_of = [](std::initializer_list<const char*> texts) {
    std::vector<TextRow> rows;
    for (const char* text : texts) rows.emplace_back().text = text;
    return rows;
  };
  const CalibrationRows parts = split_rows(*model, {rows_of({"one", "two", "three"}), "rows.tsv"},
                                           {rows_of({"two", "four", "four"}), "mine.txt"});
  EXPECT_EQ(texts_of(parts.held_out), (std::vector<std::string>{"two", "four"}));
  const std::vector<std::string> used = texts_of(parts.used);
  ASSERT_GE(used.size(), 2U);
  EXPECT_EQ(used[0], "one");
  EXPECT_EQ(used[1], "three");
  EXPECT_EQ(std::ranges::count(used, "two"), 0);
  EXPECT_EQ(parts.measured_on, "3 rows of mine.txt");
  EXPECT_EQ(parts.held_source, "mine.txt");
  const CalibrationRows built_in = split_rows(*model, {}, {rows_of({"two", "four"}), "mine.txt"});
  EXPECT_EQ(texts_of(built_in.held_out), (std::vector<std::string>{"two", "four"}));
  EXPECT_EQ(built_in.used.size(), shaped_rows(*model, calibration_texts()).size());
  EXPECT_THROW((void)split_rows(*model, {}, {rows_of({"two"}), "mine.txt"}), Error);
}

}  // namespace
}  // namespace tamis::api
