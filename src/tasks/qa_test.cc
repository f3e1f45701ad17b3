#include <gtest/gtest.h>

#include <cmath>

#include "tasks/task_json.h"
#include "tasks/test_model.h"

namespace tamis::tasks {
namespace {

// Start and end logits of every token: 0, but for these.
std::vector<float> peaks(size_t tokens, const std::vector<std::pair<size_t, float>>& starts,
                         const std::vector<std::pair<size_t, float>>& ends) {
  std::vector<float> logits(tokens * 2, 0.0F);
  for (const auto& peak : starts) logits[peak.first * 2] = peak.second;
  for (const auto& peak : ends) logits[peak.first * 2 + 1] = peak.second;
  return logits;
}

QaResult run(const QaOptions& options, const std::vector<float>& logits) {
  const TaskModel model = test_model();
  // [CLS] where ? [SEP] anna sat in paris . [SEP]
  const Encoded encoded = encode({"where?", "Anna sat in Paris."}, options, model);
  EXPECT_EQ(encoded.sequences.size(), 1U);
  EXPECT_EQ(encoded.sequences[0].size(), 10);
  return std::get<QaResult>(decode_rows(encoded, logits, 2, model));
}

TEST(Qa, AnswersWithASpanOfTheContext) {
  const QaResult result = run({}, peaks(10, {{6, 50}}, {{7, 50}}));
  ASSERT_EQ(result.answers.size(), 1U);
  EXPECT_EQ(to_json(result), R"({"answer":"in Paris","score":1,"start":9,"end":17})");
}

TEST(Qa, NeverAnswersWithTheQuestionOrASpecialToken) {
  const QaResult result = run({}, peaks(10, {{1, 90}, {9, 90}, {7, 50}}, {{2, 90}, {7, 50}}));
  EXPECT_EQ(result.answers[0].answer, "Paris");
  EXPECT_EQ(result.answers[0].score, 1);
}

TEST(Qa, KeepsAnswersShort) {
  QaOptions options;
  options.max_answer_len = 2;
  // anna .. paris has four tokens.
  const QaResult result = run(options, peaks(10, {{4, 50}, {6, 49}}, {{7, 50}}));
  EXPECT_EQ(result.answers[0].answer, "in Paris");
  EXPECT_NEAR(result.answers[0].score, std::exp(-1.0) / (1 + std::exp(-1.0)), 1e-7);
}

TEST(Qa, WeighsNoAnswer) {
  QaOptions options;
  options.handle_impossible_answer = true;
  const QaResult none = run(options, peaks(10, {{0, 50}}, {{0, 50}}));
  EXPECT_EQ(to_json(none), R"({"answer":"","score":1,"start":0,"end":0})");
  EXPECT_EQ(run(options, peaks(10, {{7, 50}}, {{7, 50}})).answers[0].answer, "Paris");
  options.top_k = 5;
  const QaResult list = run(options, peaks(10, {{7, 2}}, {{7, 2}}));
  EXPECT_EQ(list.answers.size(), 5U);
  EXPECT_TRUE(list.list);
  EXPECT_EQ(to_json(list).substr(0, 12), R"({"answers":[)");
}

TEST(Qa, JoinsAnswersThatReadAlike) {
  const TaskModel model = test_model();
  QaOptions options;
  options.top_k = 1;
  // [CLS] where [SEP] the cat the CAT [SEP]
  const Encoded encoded = encode({"where", "the cat the CAT"}, options, model);
  const auto result = std::get<QaResult>(
      decode_rows(encoded, peaks(8, {{4, 50}, {6, 50}}, {{4, 50}, {6, 50}}), 2, model));
  // Of the four pairs, (4,4) and (6,6) read alike; (4,6) is "cat the CAT", (6,4) runs backwards.
  EXPECT_EQ(result.answers[0].answer, "cat");
  EXPECT_EQ(result.answers[0].start, 4);
  EXPECT_NEAR(result.answers[0].score, 0.5F, 1e-7F);
}

TEST(Qa, AlignsToWords) {
  const TaskModel model = test_model();
  QaOptions options;
  // [CLS] where [SEP] li ##nd ##q [SEP]
  const auto best = [&] {
    const Encoded encoded = encode({"where", "Lindq"}, options, model);
    return std::get<QaResult>(decode_rows(encoded, peaks(7, {{4, 50}}, {{4, 50}}), 2, model))
        .answers.at(0)
        .answer;
  };
  EXPECT_EQ(best(), "Lindq");
  options.align_to_words = false;
  EXPECT_EQ(best(), "nd");
}

TEST(Qa, ReadsALongContextInWindows) {
  const TaskModel model = test_model();
  QaOptions options;
  options.max_seq_len = 7;  // where [CLS] [SEP] [SEP]: three tokens of context a window
  options.doc_stride = 1;
  const Encoded encoded = encode({"where", "anna sat in Paris ."}, options, model);
  // anna sat in | in paris .
  ASSERT_EQ(encoded.sequences.size(), 2U);
  EXPECT_EQ(encoded.sequences[1].ids, (std::vector<int32_t>{2, 13, 3, 9, 10, 11, 3}));
  std::vector<float> logits = peaks(7, {}, {});
  const std::vector<float> second = peaks(7, {{4, 50}}, {{4, 50}});
  logits.insert(logits.end(), second.begin(), second.end());
  const auto result = std::get<QaResult>(decode_rows(encoded, logits, 2, model));
  EXPECT_EQ(to_json(result), R"({"answer":"Paris","score":1,"start":12,"end":17})");
}

TEST(Qa, CutsTheQuestionIfAsked) {
  QaOptions options;
  options.max_question_len = 2;
  const Encoded encoded = encode({"where the cat", "sat"}, options, test_model());
  EXPECT_EQ(encoded.sequences[0].ids, (std::vector<int32_t>{2, 13, 15, 3, 16, 3}));
}

TEST(Qa, ContextWithoutTokensHasNoAnswer) {
  const TaskModel model = test_model();
  const Encoded encoded = encode({"where", "  "}, QaOptions{}, model);
  const QaResult result = std::get<QaResult>(decode_rows(encoded, peaks(4, {}, {}), 2, model));
  EXPECT_EQ(to_json(result), R"({"answer":"","score":0,"start":0,"end":0})");
}

TEST(Qa, RefusesWhatCannotBe) {
  const TaskModel model = test_model();
  const auto run_with = [&](auto set) {
    QaOptions options;
    set(options);
    return encode({"where", "anna sat"}, options, model);
  };
  EXPECT_ERROR(encode({"where"}, QaOptions{}, model), ErrorCode::kInvalidArgument, "a context");
  EXPECT_ERROR(encode({"", "cat"}, QaOptions{}, model), ErrorCode::kInvalidArgument,
               "question cannot be empty");
  EXPECT_ERROR(encode({"where", ""}, QaOptions{}, model), ErrorCode::kInvalidArgument,
               "context cannot be empty");
  EXPECT_ERROR(run_with([](QaOptions& o) { o.top_k = 0; }), ErrorCode::kInvalidArgument, "top_k");
  EXPECT_ERROR(run_with([](QaOptions& o) { o.max_answer_len = 0; }), ErrorCode::kInvalidArgument,
               "max_answer_len");
  EXPECT_ERROR(run_with([](QaOptions& o) { o.max_seq_len = 17; }), ErrorCode::kInvalidArgument,
               "at most the model's 16");
  EXPECT_ERROR(run_with([](QaOptions& o) { o.doc_stride = 17; }), ErrorCode::kInvalidArgument,
               "doc_stride (17) is larger than max_seq_len (16)");
  EXPECT_ERROR(decode_rows(run_with([](QaOptions&) {}), std::vector<float>(18, 0.0F), 3, model),
               ErrorCode::kUnsupported, "two logits a token");
}

}  // namespace
}  // namespace tamis::tasks
