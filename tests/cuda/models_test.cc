// Every committed checkpoint on the emulated card, in each precision, against what transformers
// answered: alone and batched, in any bucket, and without the rows that nobody wants, the same
// bits.
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/cuda/cuda_double.h"
#include "tests/golden/rounded.h"

namespace tamis::golden {
namespace {

class CudaModels : public testing::TestWithParam<std::string> {
 protected:
  static Subject subject(const graph::Graph& graph, Precision precision) {
    return {graph, test::on_cuda(precision)};
  }

  static double allowed(const Rounded& model, const Case& of, const std::string& output,
                        const Recorded& recorded) {
    if (model.precision == Precision::kFp32) {
      return tolerance(model.checkpoint->config(), of, recorded);
    }
    return rounded_tolerance(model, output, recorded);
  }

  static void expect_recorded(const Rounded& model, const std::vector<Result>& results) {
    size_t compared = 0;
    for (size_t i = 0; i < results.size(); ++i) {
      const Case& c = model.golden.cases[i];
      for (const auto& [name, recorded] : c.outputs) {
        const auto found = results[i].find(name);
        if (found == results[i].end()) continue;  // the pooler's output is not ours
        EXPECT_LE(max_difference(found->second, recorded.values), allowed(model, c, name, recorded))
            << name << " of \"" << c.text.substr(0, 60) << "\"";
        compared += recorded.values.size();
      }
    }
    EXPECT_GT(compared, 0u);
  }

  static void expect_all(Precision precision) {
    const Rounded model(GetParam(), precision);
    ThreadPool pool(1);
    const Subject whole = subject(model.graph, precision);
    const std::vector<Result> together = run_together(whole, pool, model.golden.cases);
    expect_recorded(model, together);
    // Emulation takes as long as there are tokens: the first cases are short.
    const std::span<const Case> few(model.golden.cases.data(), 2);
    const std::vector<Result> apart = run_apart(whole, pool, few);
    const Subject narrow = subject(model.narrowed(), precision);
    const std::string output = narrow.graph.outputs()[0].name;
    const std::vector<Result> narrowed = run_together(narrow, pool, few);
    for (size_t i = 0; i < few.size(); ++i) {
      EXPECT_TRUE(same_bits(apart[i], together[i])) << "case " << i;
      EXPECT_TRUE(same_bits({{output, together[i].at(output)}}, narrowed[i])) << "case " << i;
    }
  }
};

// Heads are the same layers once more: in one precision they are enough.
class CudaEncoders : public CudaModels {};

TEST_P(CudaModels, AnswerNearTransformersInInt8) { expect_all(Precision::kInt8); }
TEST_P(CudaEncoders, AnswerNearTransformersInFp32) { expect_all(Precision::kFp32); }
TEST_P(CudaEncoders, AnswerNearTransformersInBf16) { expect_all(Precision::kBf16); }

bool has_experts(const std::string& folder) { return folder.find("-experts") != std::string::npos; }

std::vector<std::string> model_folders() {
  std::vector<std::string> folders = golden_folders("models");
  std::erase_if(folders, has_experts);
  return folders;
}

std::vector<std::string> encoder_folders() {
  std::vector<std::string> folders = model_folders();
  std::erase_if(folders, [](const std::string& folder) { return !folder.ends_with("-base"); });
  return folders;
}

// There is no kernel for them.
TEST(CudaExperts, AreRefusedByName) {
  const Rounded model("models/nomic_bert-experts", Precision::kFp32);
  const Subject subject = {model.graph, test::on_cuda(Precision::kFp32)};
  ThreadPool pool(1);
  try {
    (void)run_together(subject, pool, model.golden.cases);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("no kernel for a mixture of experts, RouteTokens at"),
              std::string::npos)
        << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(All, CudaModels, testing::ValuesIn(model_folders()),
                         [](const auto& row) { return test_name(row.param); });

INSTANTIATE_TEST_SUITE_P(All, CudaEncoders, testing::ValuesIn(encoder_folders()),
                         [](const auto& row) { return test_name(row.param); });

}  // namespace
}  // namespace tamis::golden
