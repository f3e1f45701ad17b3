#include <gtest/gtest.h>

#include <cmath>

#include "tasks/task_json.h"
#include "tasks/test_model.h"

namespace tamis::tasks {
namespace {

const std::vector<std::string> kLabels = {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};

// Logits that give each token's label nearly all the probability.
std::vector<float> sure(const std::vector<int>& labels) {
  std::vector<float> logits(labels.size() * kLabels.size(), 0.0F);
  for (size_t i = 0; i < labels.size(); ++i) {
    logits[i * kLabels.size() + static_cast<size_t>(labels[i])] = 40;
  }
  return logits;
}

std::string run(const std::string& text, const NerOptions& options,
                const std::vector<float>& logits) {
  const TaskModel model = test_model(kLabels);
  return to_json(decode_rows(encode({text}, options, model), logits, 5, model));
}

NerOptions aggregated(Aggregation aggregation) {
  NerOptions options;
  options.aggregation = aggregation;
  return options;
}

TEST(Ner, GroupsTokensOfOneEntity) {
  // [CLS] anna li ##nd ##q in paris [SEP]
  EXPECT_EQ(
      run("Anna Lindq in Paris", {}, sure({1, 1, 2, 2, 2, 0, 3, 0})),
      R"({"entities":[{"entity_group":"PER","score":1,"word":"anna lindq","start":0,"end":10},)"
      R"({"entity_group":"LOC","score":1,"word":"paris","start":14,"end":19}]})");
  // B- begins anew, I- goes on with the same tag only.
  EXPECT_EQ(run("anna anna paris", {}, sure({0, 1, 1, 4, 0})),
            R"({"entities":[{"entity_group":"PER","score":1,"word":"anna","start":0,"end":4},)"
            R"({"entity_group":"PER","score":1,"word":"anna","start":5,"end":9},)"
            R"({"entity_group":"LOC","score":1,"word":"paris","start":10,"end":15}]})");
}

TEST(Ner, GivesTokensWithoutAggregation) {
  EXPECT_EQ(
      run("anna lind", aggregated(Aggregation::kNone), sure({0, 1, 0, 2, 0})),
      R"({"entities":[{"entity":"B-PER","score":1,"index":1,"word":"anna","start":0,"end":4},)"
      R"({"entity":"I-PER","score":1,"index":3,"word":"##nd","start":7,"end":9}]})");
}

TEST(Ner, WordsAgreeByStrategy) {
  // [CLS] li ##nd ##q [SEP]; probabilities: li PER .5 LOC .25 O .25; ##nd LOC .75 PER .25;
  // ##q PER .25 LOC .25 O .5 (I-PER and I-LOC).
  const float zero = -1e9F;
  const auto log_row = [&](float o, float per, float loc) {
    const auto ln = [&](float p) { return p > 0 ? std::log(p) : zero; };
    return std::vector<float>{ln(o), zero, ln(per), zero, ln(loc)};
  };
  std::vector<float> logits(5, 0.0F);
  for (const auto& row :
       {log_row(.25F, .5F, .25F), log_row(0, .25F, .75F), log_row(.5F, .25F, .25F)}) {
    logits.insert(logits.end(), row.begin(), row.end());
  }
  logits.resize(25);
  const auto best = [&](Aggregation aggregation) {
    const TaskModel model = test_model(kLabels);
    const auto result = std::get<NerResult>(
        decode_rows(encode({"lindq"}, aggregated(aggregation), model), logits, 5, model));
    EXPECT_EQ(result.entities.size(), 1U);
    return result.entities.at(0);
  };
  EXPECT_EQ(best(Aggregation::kFirst).label, "PER");
  EXPECT_NEAR(best(Aggregation::kFirst).score, .5F, 1e-7F);
  EXPECT_EQ(best(Aggregation::kMax).label, "LOC");
  EXPECT_NEAR(best(Aggregation::kMax).score, .75F, 1e-7F);
  EXPECT_EQ(best(Aggregation::kAverage).label, "LOC");  // (.25 + .75 + .25) / 3
  EXPECT_NEAR(best(Aggregation::kAverage).score, 1.25F / 3, 1e-7F);
  EXPECT_EQ(best(Aggregation::kAverage).word, "lindq");
  EXPECT_EQ(best(Aggregation::kAverage).end, 5);
}

TEST(Ner, ShowsUnknownWordsAsWritten) {
  // [CLS] [UNK] [SEP]: an unknown token begins a word of its own.
  EXPECT_EQ(
      run("Z\xC3\xBCrich", aggregated(Aggregation::kFirst), sure({0, 3, 0})),
      "{\"entities\":[{\"entity_group\":\"LOC\",\"score\":1,\"word\":\"Z\xC3\xBCrich\",\"start\":0,"
      "\"end\":6}]}");
}

TEST(Ner, LeavesOutIgnoredLabels) {
  NerOptions options;
  options.ignore_labels = {"O", "PER"};
  EXPECT_EQ(run("anna in paris", options, sure({0, 1, 0, 3, 0})),
            R"({"entities":[{"entity_group":"LOC","score":1,"word":"paris","start":8,"end":13}]})");
  options.ignore_labels = {};
  EXPECT_EQ(run("in", options, sure({0, 0, 0})),
            R"({"entities":[{"entity_group":"O","score":1,"word":"in","start":0,"end":2}]})");
}

TEST(Ner, AnswersAnEmptyTextWithNothing) {
  EXPECT_EQ(run("", {}, sure({1, 1})), R"({"entities":[]})");
}

TEST(Ner, KeepsTheLongestOfOverlappingEntities) {
  NerOptions options;
  options.stride = 1;
  options.truncation.max_length = 5;  // three tokens a window, one of them shared
  const TaskModel model = test_model(kLabels);
  const Encoded encoded = encode({"anna lindq"}, options, model);
  // anna li ##nd | ##nd ##q
  ASSERT_EQ(encoded.sequences.size(), 2U);
  EXPECT_FALSE(encoded.truncated);
  EXPECT_EQ(to_json(decode_rows(encoded, sure({0, 0, 1, 2, 0, 0, 1, 2, 0}), 5, model)),
            R"({"entities":[{"entity_group":"PER","score":1,"word":"lind","start":5,"end":9}]})");
  EXPECT_EQ(to_json(decode_rows(encoded, sure({0, 0, 0, 1, 0, 0, 1, 2, 0}), 5, model)),
            R"({"entities":[{"entity_group":"PER","score":1,"word":"##ndq","start":7,"end":10}]})");
}

TEST(Ner, RefusesAStrideItCannotKeep) {
  NerOptions options;
  options.stride = 16;
  EXPECT_ERROR(encode({"anna"}, options, test_model(kLabels)), ErrorCode::kInvalidArgument,
               "stride must be less than the window of 16 tokens, not 16");
  options.stride = 2;
  options.aggregation = Aggregation::kNone;
  EXPECT_ERROR(encode({"anna"}, options, test_model(kLabels)), ErrorCode::kInvalidArgument,
               "stride needs an aggregation");
  options.stride = -1;
  EXPECT_ERROR(encode({"anna"}, options, test_model(kLabels)), ErrorCode::kInvalidArgument,
               "stride must be at least 0");
}

// A window of 16 tokens has room for 14 of the text: one step makes as many windows as tokens.
TEST(Ner, CountsWindowsBeforeItMakesThem) {
  NerOptions options;
  options.stride = 13;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "anna ";
  EXPECT_EQ(encode({text}, options, test_model(kLabels), 87 * 16).sequences.size(), 87U);
  EXPECT_ERROR(encode({text}, options, test_model(kLabels), 86 * 16), ErrorCode::kInvalidArgument,
               "the text makes 87 windows of 16 tokens that share 13; at most 86 are taken");
  options.stride.reset();
  EXPECT_EQ(encode({text}, options, test_model(kLabels), 1).sequences.size(), 1U);
}

TEST(Ner, SaysThatATextWasCut) {
  NerOptions options;
  options.truncation.max_length = 3;
  EXPECT_EQ(run("anna in paris", options, sure({0, 1, 0})),
            R"({"entities":[{"entity_group":"PER","score":1,"word":"anna","start":0,"end":4}],)"
            R"("truncated":true})");
}

}  // namespace
}  // namespace tamis::tasks
