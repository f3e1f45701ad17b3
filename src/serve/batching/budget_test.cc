#include "serve/batching/budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"

namespace tamis::serve {
namespace {

std::string refusal(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "";
}

TEST(BudgetTest, TakesUpToItsLimitAndNamesWhatIsBeyond) {
  Budget budget({2, 1000});
  budget.take("tokens", 10, 60);
  EXPECT_EQ(budget.left_bytes(), 400);
  const std::string said = refusal([&] { budget.take("windows", 5, 100); });
  EXPECT_NE(said.find("5 windows of 100 bytes"), said.npos) << said;
  EXPECT_NE(said.find("--max-answer"), said.npos) << said;
  EXPECT_EQ(budget.left_bytes(), 400) << "what is refused is not taken";
  budget.take("windows", 4, 100);
  EXPECT_EQ(budget.left_bytes(), 0);
  budget.check_items("inputs", 2);
  EXPECT_EQ(refusal([&] { budget.check_items("inputs", 3); }),
            "`inputs` has 3 items; this server takes at most 2 a request");
}

TEST(BudgetTest, ProductsThatOverflowAreBeyondIt) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  Budget budget({1, int64_t{1} << 40});
  EXPECT_NE(refusal([&] { budget.take("pairs", kMost, 2); }), "");
  EXPECT_NE(refusal([&] { budget.take("pairs", int64_t{1} << 32, int64_t{1} << 32); }), "");
  EXPECT_EQ(budget.taken_bytes(), 0);
}

TEST(BudgetTest, ThreadsShareOneLimit) {
  Budget budget({1, 1000});
  std::atomic<int> got{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        try {
          budget.take("tokens", 1, 1);
          got.fetch_add(1);
        } catch (const Error&) {
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(got.load(), 1000);
  EXPECT_EQ(budget.left_bytes(), 0);
}

// Each label is read with each text, whether or not the labels are long.
TEST(BudgetTest, PairsCostTheirTexts) {
  Budget budget({4096, 1 << 20});
  const tasks::TaskInput input{std::string(1000, 'a'), std::nullopt,
                               std::vector<std::string>(100, "label")};
  check_texts(budget, input, 6);
  EXPECT_NE(refusal([&] { check_texts(budget, input, 7); }), "");
  take_texts(budget, input);
  EXPECT_GT(budget.taken_bytes(), 100 * 1000);
}

TEST(BudgetTest, OptionsCostACopyForEachInput) {
  tasks::NerOptions ner;
  ner.ignore_labels.assign(100, "O");
  Budget budget({4096, 100'000});
  take_options(budget, ner, 10);
  EXPECT_GE(budget.taken_bytes(), 10 * 100 * 32);
  EXPECT_NE(refusal([&] { take_options(budget, ner, 200); }), "");
  tasks::FillMaskOptions fill;
  fill.targets.assign(2, std::string(1000, 'x'));
  EXPECT_NE(refusal([&] { take_options(budget, fill, 50); }), "");
  tasks::EmbedOptions embed;
  embed.prompt = std::string(1000, 'x');
  EXPECT_NE(refusal([&] { take_options(budget, embed, 100); }), "");
  const int64_t before = budget.taken_bytes();
  take_options(budget, tasks::EmbedOptions{}, 4096);
  EXPECT_EQ(budget.taken_bytes(), before);
}

TEST(BudgetTest, HypothesesCostEachPlaceOfTheirLabel) {
  tasks::ZeroShotOptions options;
  for (int i = 0; i < 1000; ++i) options.hypothesis_template += "{0}";
  Budget budget({4096, 1'000'000});
  take_hypotheses(budget, options, {"", std::nullopt, {"a", "b"}});
  EXPECT_GE(budget.taken_bytes(), 2 * (3000 + 1000));
  const tasks::TaskInput longer = {"", std::nullopt, {std::string(2000, 'x')}};
  EXPECT_NE(refusal([&] { take_hypotheses(budget, options, longer); }), "");
}

TEST(BudgetTest, ResultsCostWhatTheyPrint) {
  const auto cost = [](tasks::TaskOptions options, size_t selected) {
    Budget budget({1, std::numeric_limits<int64_t>::max()});
    tasks::Encoded encoded;
    encoded.options = std::move(options);
    encoded.input.text = std::string(100, 'a');
    encoded.input.pair = std::string(1000, 'b');
    encoded.sequences.push_back(
        {std::vector<int32_t>(50, 1), {}, std::vector<int32_t>(selected, 0)});
    take_result(budget, encoded, {10, 100});
    return budget.taken_bytes();
  };
  tasks::FillMaskOptions masks;
  masks.top_k = 1000;
  EXPECT_GT(cost(masks, 50), 50 * 1000 * 200);
  masks.targets = {"a"};
  EXPECT_LT(cost(masks, 50), 50 * 2000);
  tasks::QaOptions qa;
  const int64_t one = cost(qa, 0);
  qa.top_k = 1000;
  EXPECT_GT(cost(qa, 0), 100 * one);
  tasks::ClassifyOptions labels;
  EXPECT_GT(cost(labels, 0), 10 * 100);
  labels.top_k = 1;
  EXPECT_LT(cost(labels, 0), 1000);
}

}  // namespace
}  // namespace tamis::serve
