// Every committed checkpoint through Graph, passes, Engine and Session against what transformers
// answered: for each kernel set of this CPU, fused and not, alone and batched, on several threads.
#include "tests/golden/golden.h"

#include <gtest/gtest.h>

#include <cstring>

#include "models/models.h"
#include "passes/pipeline.h"

namespace tamis::golden {
namespace {

struct Loaded {
  explicit Loaded(const std::string& folder)
      : golden(read_golden(std::filesystem::path(TAMIS_TESTDATA) / folder)),
        checkpoint(Checkpoint::open(std::filesystem::path(TAMIS_TESTDATA) / folder)),
        unfused(models::build_model(*checkpoint).graph),
        fused(unfused) {
    passes::run_pipeline(fused);
    narrow = fused;
    const std::vector<std::string> wanted = {narrow.outputs().back().name};
    narrow.keep_outputs(wanted);
    passes::run_pipeline(narrow, {}, passes::Stage::kLoad);
  }

  Golden golden;
  std::shared_ptr<const Checkpoint> checkpoint;
  graph::Graph unfused;
  graph::Graph fused;
  graph::Graph narrow;  // fused, for the last output alone, with the rows it does not need dropped
};

// The pooler's output is not an output of ours: classification heads read it and are recorded.
bool is_ours(const std::string& output) { return output != "pooler_output"; }

class GoldenModel : public testing::TestWithParam<std::string> {
 protected:
  // Of all recorded outputs; the number of values compared.
  static size_t expect_recorded(const Loaded& model, const std::vector<Result>& results) {
    size_t compared = 0;
    for (size_t i = 0; i < results.size(); ++i) {
      const Case& c = model.golden.cases[i];
      for (const auto& [name, recorded] : c.outputs) {
        if (!is_ours(name)) continue;
        const auto found = results[i].find(name);
        if (found == results[i].end()) {
          ADD_FAILURE() << "no output " << name;
          continue;
        }
        EXPECT_LE(max_difference(found->second, recorded.values),
                  tolerance(model.checkpoint->config(), c, recorded))
            << name << " of \"" << c.text.substr(0, 60) << "\"";
        compared += recorded.values.size();
      }
    }
    return compared;
  }
};

TEST_P(GoldenModel, AnswersAsTransformersDoes) {
  const Loaded model(GetParam());
  ASSERT_LT(model.fused.nodes().size(), model.unfused.nodes().size());
  ASSERT_FALSE(model.golden.cases.empty());
  ThreadPool pool(1);
  for (const Isa isa : host_isas()) {
    for (const graph::Graph* graph : {&model.unfused, &model.fused}) {
      SCOPED_TRACE(cat(isa_name(isa), graph == &model.fused ? ", fused" : ", unfused"));
      const auto results = run_apart(make_subject(*graph, isa), pool, model.golden.cases);
      EXPECT_GT(expect_recorded(model, results), 0u);
    }
  }
}

TEST_P(GoldenModel, GivesTheSameBitsInAnyBatchOnAnyThreads) {
  const Loaded model(GetParam());
  for (const Isa isa : host_isas()) {
    for (const graph::Graph* graph : {&model.unfused, &model.fused}) {
      SCOPED_TRACE(cat(isa_name(isa), graph == &model.fused ? ", fused" : ", unfused"));
      const auto subject = make_subject(*graph, isa);
      ThreadPool alone(1);
      const std::vector<Result> expected = run_apart(subject, alone, model.golden.cases);
      for (const int threads : thread_counts(isa)) {
        ThreadPool pool(threads);
        const std::vector<Result> together = run_together(subject, pool, model.golden.cases);
        for (size_t i = 0; i < expected.size(); ++i) {
          EXPECT_TRUE(same_bits(expected[i], together[i])) << "case " << i << ", " << threads;
        }
      }
      const std::vector<Case> backwards(model.golden.cases.rbegin(), model.golden.cases.rend());
      ThreadPool pool(2);
      const std::vector<Result> turned = run_together(subject, pool, backwards);
      for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_TRUE(same_bits(expected[i], turned[turned.size() - 1 - i])) << "case " << i;
      }
    }
  }
}

// The last output of a subject for it alone, to the bit what a subject for all outputs gives.
TEST_P(GoldenModel, GivesTheSameBitsWithoutTheRowsThatNobodyWants) {
  const Loaded model(GetParam());
  const std::string output = model.narrow.outputs()[0].name;
  for (const Isa isa : host_isas()) {
    for (const auto precision : {engine::Precision::kFp32, engine::Precision::kBf16}) {
      SCOPED_TRACE(cat(isa_name(isa), ", ", engine::precision_name(precision)));
      const auto arithmetic = precision == engine::Precision::kBf16 ? graph::FloatArithmetic::kBf16
                                                                    : graph::FloatArithmetic::kF32;
      graph::Graph fused = model.fused;
      graph::Graph dropped = model.narrow;
      graph::set_attention_arithmetic(fused, arithmetic);
      graph::set_attention_arithmetic(dropped, arithmetic);
      const auto all = make_subject(fused, isa, precision);
      const auto narrow = make_subject(dropped, isa, precision);
      ThreadPool pool(2);
      const std::vector<Result> want = run_together(all, pool, model.golden.cases);
      const std::vector<Result> got = run_together(narrow, pool, model.golden.cases);
      for (size_t i = 0; i < want.size(); ++i) {
        const std::vector<float>& a = want[i].at(output);
        const std::vector<float>& b = got[i].at(output);
        ASSERT_EQ(a.size(), b.size());
        EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0) << "case " << i;
      }
    }
  }
}

TEST(GoldenModels, MaskedWordsWithoutASelectionAreAllTokens) {
  const Loaded model("models/bert-masked-lm");
  ThreadPool pool(1);
  const auto subject = make_subject(model.fused, host_isas().back());
  const auto vocab = static_cast<size_t>(model.checkpoint->config().vocab_size);
  for (const Case& selected : model.golden.cases) {
    Case all = selected;
    all.logits_rows.clear();
    const std::vector<float> some = run_apart(subject, pool, {&selected, 1})[0].at("logits");
    const std::vector<float> every = run_apart(subject, pool, {&all, 1})[0].at("logits");
    ASSERT_EQ(every.size(), all.input_ids.size() * vocab);
    for (size_t i = 0; i < selected.logits_rows.size(); ++i) {
      const auto row = static_cast<size_t>(selected.logits_rows[i]);
      EXPECT_EQ(std::memcmp(&some[i * vocab], &every[row * vocab], vocab * sizeof(float)), 0);
    }
  }
}

TEST(GoldenModels, AreAllHere) { EXPECT_GE(golden_folders("models").size(), 60u); }

INSTANTIATE_TEST_SUITE_P(All, GoldenModel, testing::ValuesIn(golden_folders("models")),
                         [](const auto& row) { return test_name(row.param); });

}  // namespace
}  // namespace tamis::golden
