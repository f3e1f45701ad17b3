// The real all-MiniLM-L6-v2 on the emulated card: recorded embeddings, and the CPU's in INT8.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "models/models.h"
#include "passes/pipeline.h"
#include "quant/marks.h"
#include "tests/cuda/cuda_double.h"
#include "tests/golden/golden.h"
#include "tests/support/test_paths.h"

namespace tamis::golden {
namespace {

using engine::Precision;

double cosine(std::span<const float> left, std::span<const float> right) {
  double product = 0;
  double lengths[2] = {0, 0};
  for (size_t i = 0; i < left.size(); ++i) {
    product += double{left[i]} * right[i];
    lengths[0] += double{left[i]} * left[i];
    lengths[1] += double{right[i]} * right[i];
  }
  return product / std::sqrt(lengths[0] * lengths[1]);
}

class CudaMiniLm : public testing::Test {
 protected:
  static graph::Graph graph_for(Precision precision) {
    graph::Graph graph = models::build_model(*Checkpoint::open(test::model_folder())).graph;
    if (precision == Precision::kInt8) quant::add_marks(graph);
    passes::run_pipeline(graph);
    if (precision != Precision::kFp32) {
      graph::set_attention_arithmetic(graph, graph::FloatArithmetic::kBf16);
    }
    const std::vector<std::string> wanted = {"sentence_embedding"};
    graph.keep_outputs(wanted);
    return graph;
  }

  // Short texts: emulation takes as long as there are tokens.
  static std::vector<Case> cases() {
    std::vector<Case> chosen;
    for (Case& c : read_golden(TAMIS_TESTDATA "/minilm").cases) {
      if (c.input_ids.size() <= 32) chosen.push_back(std::move(c));
    }
    chosen.resize(std::min<size_t>(chosen.size(), 6));
    return chosen;
  }
};

// Where a sum of attention or of a norm differs in its last bit, a level of 8 bits may, and from
// there on all: the CPU's kernel sets are as far from each other (cosines from 0.992 on these
// texts) as each is from float32. So the card is held to what INT8 is held to, see
// tests/golden/minilm_test.cc, and to be no worse than the CPU.
TEST_F(CudaMiniLm, Int8EmbedsAsWellAsTheCpuDoes) {
  TAMIS_REQUIRE_MODEL();
  const std::vector<Case> texts = cases();
  ASSERT_EQ(texts.size(), 6u);
  ThreadPool pool(1);
  const graph::Graph graph = graph_for(Precision::kInt8);
  Subject cpu = {graph, {}};
  cpu.options.precision = Precision::kInt8;
  const auto want = run_together(cpu, pool, texts);
  const auto got = run_together({graph, test::on_cuda(Precision::kInt8)}, pool, texts);
  const double r = 8.0 / 510 / std::sqrt(3.0);
  double lost = 0;
  double lost_on_cpu = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<float>& recorded = texts[i].outputs.at("sentence_embedding").values;
    const double here = cosine(got[i].at("sentence_embedding"), recorded);
    EXPECT_GE(here, 1 - 2 * r * r * 72) << texts[i].text;
    EXPECT_LT(here, 1 - 1e-7) << "nothing was rounded";
    lost += 1 - here;
    lost_on_cpu += 1 - cosine(want[i].at("sentence_embedding"), recorded);
  }
  EXPECT_LE(lost, 1.5 * lost_on_cpu);
  RecordProperty("lost", cat(lost));
  RecordProperty("lost_on_cpu", cat(lost_on_cpu));
}

TEST_F(CudaMiniLm, Fp32EmbedsAsSentenceTransformersDoes) {
  TAMIS_REQUIRE_MODEL();
  std::vector<Case> texts = cases();
  texts.resize(2);
  ThreadPool pool(1);
  const auto got = run_together({graph_for(Precision::kFp32), test::on_cuda()}, pool, texts);
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<float> unit = normalized(got[i].at("sentence_embedding"));
    EXPECT_LE(max_difference(unit, texts[i].outputs.at("sentence_embedding").values), 1e-5);
  }
}

// As in tests/golden/minilm_test.cc: six layers of six products of operands rounded to r = 2^-9.
TEST_F(CudaMiniLm, Bf16EmbedsNearlyTheSame) {
  TAMIS_REQUIRE_MODEL();
  std::vector<Case> texts = cases();
  texts.resize(2);
  ThreadPool pool(1);
  const auto got =
      run_together({graph_for(Precision::kBf16), test::on_cuda(Precision::kBf16)}, pool, texts);
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_GE(
        cosine(got[i].at("sentence_embedding"), texts[i].outputs.at("sentence_embedding").values),
        1 - 2 * 0x1p-18 * 72);
  }
}

}  // namespace
}  // namespace tamis::golden
