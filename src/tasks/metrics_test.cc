// Values that scikit-learn, seqeval and SQuAD's functions recorded (testdata/metrics.json), and
// edges.
#include "tasks/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/file.h"
#include "base/json.h"
#include "tasks/test_model.h"

namespace tamis::tasks {
namespace {

// Means of a few fractions: some roundings of doubles below 1.
constexpr double kTolerance = 1e-14;

double number(JsonView row, std::string_view key) { return row.get(key).as_double(key); }

std::vector<int64_t> ids(JsonView list) {
  std::vector<int64_t> values;
  for (size_t i = 0; i < list.size(); ++i) values.push_back(list.at(i).as_int("id"));
  return values;
}

std::vector<std::string> texts(JsonView list) {
  std::vector<std::string> values;
  for (size_t i = 0; i < list.size(); ++i) values.emplace_back(list.at(i).as_string("text"));
  return values;
}

void check_labels(JsonView row) {
  const auto truth = ids(row.get("truth"));
  const auto predicted = ids(row.get("predicted"));
  EXPECT_NEAR(accuracy(truth, predicted), number(row, "accuracy"), kTolerance);
  EXPECT_NEAR(macro_f1(truth, predicted), number(row, "macro_f1"), kTolerance);
}

void check_entities(JsonView row) {
  EntityCounts counts;
  for (size_t i = 0; i < row.get("truth").size(); ++i) {
    counts += count_entities(texts(row.get("truth").at(i)), texts(row.get("predicted").at(i)));
  }
  EXPECT_NEAR(counts.precision(), number(row, "precision"), kTolerance);
  EXPECT_NEAR(counts.recall(), number(row, "recall"), kTolerance);
  EXPECT_NEAR(counts.f1(), number(row, "f1"), kTolerance);
}

void check_squad(JsonView row) {
  const std::string truth[] = {std::string(row.get("truth").as_string("truth"))};
  const std::string_view predicted = row.get("predicted").as_string("predicted");
  SCOPED_TRACE(cat(predicted, " | ", truth[0]));
  const AnswerScore score = score_answer(predicted, truth);
  EXPECT_EQ(score.exact, number(row, "exact"));
  EXPECT_NEAR(score.f1, number(row, "f1"), kTolerance);
}

TEST(Metrics, ValuesAreThoseOfTheUsualPackages) {
  const std::map<std::string, void (*)(JsonView), std::less<>> checks = {
      {"labels", check_labels}, {"entities", check_entities}, {"squad", check_squad}};
  const std::string text = read_file(TAMIS_TESTDATA "/metrics.json");
  const JsonDocument document = JsonDocument::parse(text, "metrics.json");
  const JsonView cases = document.root().get("cases");
  std::map<std::string, int> seen;
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto check = checks.find(cases.at(i).get("metric").as_string("metric"));
    if (check == checks.end()) continue;
    SCOPED_TRACE(cat("case ", i));
    check->second(cases.at(i));
    ++seen[check->first];
  }
  EXPECT_EQ(seen.size(), checks.size());
}

TEST(Metrics, NothingHasNoAccuracy) {
  EXPECT_TRUE(std::isnan(accuracy({}, {})));
  EXPECT_TRUE(std::isnan(macro_f1({}, {})));
  const std::vector<int64_t> one = {1};
  EXPECT_ERROR(accuracy(one, {}), ErrorCode::kInvalidArgument, "1 labels, but 0 predictions");
  EXPECT_ERROR(macro_f1({}, one), ErrorCode::kInvalidArgument, "0 labels, but 1 predictions");
}

TEST(Metrics, EntitiesBeginAtBAndWhereTheTypeChanges) {
  const std::vector<std::string> tags = {"I-A", "I-A", "B-A", "I-B", "O", "I-B", "C", "C"};
  EXPECT_EQ(
      entities_of_tags(tags),
      (std::vector<TagSpan>{{"A", 0, 2}, {"A", 2, 3}, {"B", 3, 4}, {"B", 5, 6}, {"C", 6, 8}}));
  EXPECT_TRUE(entities_of_tags({}).empty());
  EXPECT_EQ(EntityCounts{}.f1(), 0);
}

// IOBES and BILOU, as far as the labels say that a tag is of them.
TEST(Metrics, EntitiesEndWhereTheSchemeSaysSo) {
  const std::vector<std::string> tags = {"S-A", "S-A", "B-A", "I-A", "E-A", "E-A", "I-A", "S-B"};
  const TagScheme iobes(std::vector<std::string>{"O", "B-A", "S-A", "E-A", "I-B", "E-MAIL"});
  EXPECT_EQ(entities_of_tags(tags, iobes),
            (std::vector<TagSpan>{
                {"A", 0, 1}, {"A", 1, 2}, {"A", 2, 5}, {"A", 5, 6}, {"A", 6, 7}, {"B", 7, 8}}));
  const std::vector<std::string> others = {"U-A", "B-A", "L-A", "L-A", "E-MAIL", "E-MAIL", "S-"};
  EXPECT_EQ(entities_of_tags(others, iobes),
            (std::vector<TagSpan>{
                {"A", 0, 1}, {"A", 1, 3}, {"A", 3, 4}, {"E-MAIL", 4, 6}, {"S-", 6, 7}}));
  EXPECT_EQ(iobes.type_of("E-MAIL"), "E-MAIL");
  EXPECT_EQ(iobes.type_of("L-B"), "B");
  EXPECT_EQ(TagScheme().type_of("E-A"), "E-A");
  const EntityCounts counts = count_entities(
      tags, std::vector<std::string>{"S-A", "B-A", "B-A", "I-A", "I-A", "S-A", "O", "O"}, iobes);
  EXPECT_EQ(counts.correct, 4);
}

TEST(Metrics, AnswersAreHeldAgainstTheBestTruth) {
  const std::vector<std::string> truths = {"", "red cat", "black cat"};
  const AnswerScore score = score_answer("A black, black CAT", truths);
  EXPECT_EQ(score.exact, 0);
  EXPECT_NEAR(score.f1, 0.8, kTolerance);  // 2 of 3 words, both of the truth's
  EXPECT_EQ(score_answer("", {}).exact, 1);
  EXPECT_EQ(score_answer("the", {}).f1, 1);
  EXPECT_EQ(score_answer("cat", {}).f1, 0);
  EXPECT_EQ(normalize_answer("  The  U.S. of\tA! "), "us of");
}

}  // namespace
}  // namespace tamis::tasks
