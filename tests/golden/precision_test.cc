// Every committed checkpoint in BF16 and in plain INT8 against what transformers answered in
// float32: for each kernel set of this CPU, alone and batched, on several threads, and without the
// rows that nobody wants.
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/golden/rounded.h"

namespace tamis::golden {
namespace {

using engine::Precision;

class GoldenPrecision : public testing::TestWithParam<std::string> {
 protected:
  static void expect_recorded(const Rounded& model, const std::vector<Result>& results) {
    double largest = 0;
    size_t compared = 0;
    for (size_t i = 0; i < results.size(); ++i) {
      const Case& c = model.golden.cases[i];
      for (const auto& [name, recorded] : c.outputs) {
        const auto found = results[i].find(name);
        if (found == results[i].end()) continue;  // the pooler's output is not ours
        const double difference = max_difference(found->second, recorded.values);
        const double tolerance = rounded_tolerance(model, name, recorded);
        EXPECT_LE(difference, tolerance) << name << " of \"" << c.text.substr(0, 60) << "\"";
        largest = std::max(largest, difference / tolerance);
        compared += recorded.values.size();
      }
    }
    EXPECT_GT(compared, 0u);
    EXPECT_GT(largest, 1e-4) << "nothing was rounded";
    RecordProperty("share_of_tolerance", cat(largest));
  }

  static void expect_same_bits_in_any_batch(const Rounded& model, Isa isa, const Subject& subject) {
    ThreadPool alone(1);
    const std::vector<Result> expected = run_apart(subject, alone, model.golden.cases);
    for (const int threads : thread_counts(isa)) {
      ThreadPool pool(threads);
      const std::vector<Result> together = run_together(subject, pool, model.golden.cases);
      for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_TRUE(same_bits(expected[i], together[i])) << "case " << i << ", " << threads;
      }
    }
  }

  static void expect_same_bits_without_unwanted_rows(const Rounded& model, Isa isa,
                                                     const Subject& subject) {
    const Subject narrow = model.subject(isa, model.narrowed());
    ASSERT_EQ(narrow.graph.outputs().size(), 1u);
    const std::string output = narrow.graph.outputs()[0].name;
    ThreadPool pool(2);
    const std::vector<Result> want = run_together(subject, pool, model.golden.cases);
    const std::vector<Result> got = run_together(narrow, pool, model.golden.cases);
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_TRUE(same_bits({{output, want[i].at(output)}}, got[i])) << "case " << i;
    }
  }

  static void expect_all(Precision precision) {
    const Rounded model(GetParam(), precision);
    for (const Isa isa : all_isas()) {
      if (!detected_isas().has(isa)) continue;
      SCOPED_TRACE(isa_name(isa));
      const auto subject = model.subject(isa, model.graph);
      ThreadPool pool(2);
      expect_recorded(model, run_together(subject, pool, model.golden.cases));
      expect_same_bits_in_any_batch(model, isa, subject);
      expect_same_bits_without_unwanted_rows(model, isa, subject);
    }
  }
};

TEST_P(GoldenPrecision, Bf16AnswersNearTransformersInAnyBatch) { expect_all(Precision::kBf16); }

TEST_P(GoldenPrecision, Int8AnswersNearTransformersInAnyBatch) { expect_all(Precision::kInt8); }

INSTANTIATE_TEST_SUITE_P(All, GoldenPrecision, testing::ValuesIn(golden_folders("models")),
                         [](const auto& row) { return test_name(row.param); });

}  // namespace
}  // namespace tamis::golden
