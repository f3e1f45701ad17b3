// Sequences with tokens that no token sees: what attention makes of them, in every arithmetic.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "base/error.h"
#include "engine/batch_builder.h"
#include "engines/cpu/session.h"
#include "engines/cpu/test_encoder.h"

namespace tamis::engines::cpu {
namespace {

constexpr int64_t kHeads = 2;
constexpr int64_t kWidth = 16;
constexpr float kScale = 0.5F;

/// Sequences of these lengths and key lengths.
struct Keyed {
  std::vector<int32_t> lengths;
  std::vector<int32_t> keys;

  [[nodiscard]] engine::PackedBatch packed() {
    cu_seqlens = {0};
    for (const int32_t length : lengths) cu_seqlens.push_back(cu_seqlens.back() + length);
    ids.assign(static_cast<size_t>(cu_seqlens.back()), 1);
    engine::PackedBatch batch;
    batch.input_ids = ids;
    batch.cu_seqlens = cu_seqlens;
    batch.max_seqlen = *std::max_element(lengths.begin(), lengths.end());
    batch.key_lengths = keys;
    return batch;
  }

  std::vector<int32_t> cu_seqlens = {};
  std::vector<int32_t> ids = {};
};

graph::Graph attention_graph(std::string_view more) {
  const std::string text = cat(R"(tamis graph 2
input %input_ids : I32[T]
input %x : F32[T, 48]
%y = Attention(q=%x) {heads=2, scale=0.5)",
                               more, R"(} : F32[T, 16]
output y = %y
)");
  return graph::parse_graph(text, "test", nullptr, nullptr);
}

std::vector<float> rows_of(int64_t tokens) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> rows(static_cast<size_t>(tokens * 3 * kWidth));
  for (float& value : rows) value = normal(random);
  return rows;
}

/// One head of one query, straight from the definition.
class Query {
 public:
  Query(const std::vector<float>& rows, int64_t first, int64_t place, int64_t head)
      : rows_(rows), first_(first), place_(place), column_(head * kWidth / kHeads) {}

  [[nodiscard]] std::vector<double> context(int64_t keys, int64_t window) const {
    std::vector<double> sum(kWidth / kHeads, 0.0);
    double total = 0;
    for (int64_t key = 0; key < keys; ++key) {
      if (std::abs(key - place_) > window) continue;
      double score = 0;
      for (int64_t d = 0; d < kWidth / kHeads; ++d) {
        score += double{at(place_, d)} * at(key, kWidth + d);
      }
      const double p = std::exp(kScale * score);
      total += p;
      for (int64_t d = 0; d < kWidth / kHeads; ++d) {
        sum[static_cast<size_t>(d)] += p * at(key, 2 * kWidth + d);
      }
    }
    for (double& value : sum) value /= total;
    return sum;
  }

 private:
  [[nodiscard]] float at(int64_t token, int64_t column) const {
    return rows_[static_cast<size_t>((first_ + token) * 3 * kWidth + column_ + column)];
  }

  const std::vector<float>& rows_;
  int64_t first_;
  int64_t place_;
  int64_t column_;
};

struct Case {
  const char* attributes;
  int64_t window;
  double tolerance;  // of values of size 1: sums of at most 40 in fp32, or of bf16 operands
};
constexpr Case kCases[] = {{"", 1 << 20, 40 * 0x1p-23},
                           {", left=6, right=6", 6, 40 * 0x1p-23},
                           {", arithmetic=bf16", 1 << 20, 8 * 0x1p-8},
                           {", arithmetic=bf16, left=6, right=6", 6, 8 * 0x1p-8}};

TEST(KeyLengths, TokensBehindThemSeeAndAreNotSeen) {
  Keyed keyed{{9, 1, 40, 3}, {4, 1, 34, 3}};
  const engine::PackedBatch batch = keyed.packed();
  const std::vector<float> rows = rows_of(batch.tokens());
  const FloatInput input = {"x", rows.data()};
  engine::PackedBatch given = batch;
  given.float_inputs = {&input, 1};
  for (const Case& test : kCases) {
    for (const Isa isa : all_isas()) {
      if (!detected_isas().has(isa)) continue;
      SCOPED_TRACE(cat(isa_name(isa), test.attributes));
      PlanOptions options;
      options.isas = isas_up_to(isa_name(isa));
      const graph::Graph graph = attention_graph(test.attributes);
      const std::vector<float> values = run(graph, options, given, 1);
      EXPECT_EQ(run(graph, options, given, 3), values);
      for (size_t s = 0; s < keyed.lengths.size(); ++s) {
        for (int64_t place = 0; place < keyed.lengths[s]; ++place) {
          for (int64_t head = 0; head < kHeads; ++head) {
            const std::vector<double> wanted =
                Query(rows, keyed.cu_seqlens[s], place, head).context(keyed.keys[s], test.window);
            const int64_t at = (keyed.cu_seqlens[s] + place) * kWidth + head * kWidth / kHeads;
            for (size_t d = 0; d < wanted.size(); ++d) {
              ASSERT_NEAR(values[static_cast<size_t>(at) + d], wanted[d], test.tolerance)
                  << "sequence " << s << ", place " << place;
            }
          }
        }
      }
    }
  }
}

// What is not seen changes nothing: no bit of the tokens before it.
TEST(KeyLengths, WhatIsNotSeenChangesNothing) {
  const TestBatch whole({20});
  const TestBatch short_one({20});
  engine::PackedBatch batch = whole.packed();
  const std::vector<int32_t> keys = {12};
  batch.key_lengths = keys;
  TestBatch cut = short_one;
  cut.ids.resize(12);
  cut.types.resize(12);
  cut.cu_seqlens = {0, 12};
  cut.longest = 12;
  const std::vector<float> seen = run(test_encoder(), {}, cut.packed(), 1);
  std::vector<float> all = run(test_encoder(), {}, batch, 2);
  all.resize(seen.size());
  EXPECT_EQ(all, seen);
}

TEST(KeyLengths, MustFitTheSequencesAndTheAttention) {
  const auto refusal = [](std::string_view attributes, Keyed keyed) {
    const engine::PackedBatch batch = keyed.packed();
    const std::vector<float> rows = rows_of(batch.tokens());
    const FloatInput input = {"x", rows.data()};
    engine::PackedBatch given = batch;
    given.float_inputs = {&input, 1};
    try {
      (void)run(attention_graph(attributes), {}, given, 1);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(refusal("", {{9, 2}, {4}}), "batch: key_lengths has 1 entries for 2 sequences");
  EXPECT_EQ(refusal("", {{9}, {10}}), "batch: key_lengths[0] is 10, must lie in 1..9");
  EXPECT_EQ(refusal("", {{9}, {0}}), "batch: key_lengths[0] is 0, must lie in 1..9");
  EXPECT_EQ(refusal(", left=6, right=6", {{9}, {3}}), "");
  EXPECT_EQ(refusal(", left=6, right=6", {{9}, {2}}),
            "batch: sequence 0 has 7 tokens that no token sees, this model's attention takes at "
            "most 6");
}

// A share of a sequence's tokens counts those that no token sees, and the last may be one of them.
TEST(KeyLengths, AreRefusedWhereAllTokensCount) {
  for (const char* node :
       {"TokenDropout(x=%x, ids=%input_ids) {mask_token=3, kept=0.88} : F32[T, 16]",
        "SequencePool(x=%x, ids=%input_ids) {modes=last_token, padding_idx=3} : F32[B, 16]",
        "SequencePool(x=%x, ids=%input_ids) {modes=last_token, token=1} : F32[B, 16]"}) {
    const graph::Graph graph = graph::parse_graph(
        cat("tamis graph 2\ninput %input_ids : I32[T]\ninput %x : F32[T, 16]\n%y = ", node,
            "\noutput y = %y\n"),
        "test", nullptr, nullptr);
    Keyed keyed{{9}, {8}};
    engine::PackedBatch batch = keyed.packed();
    const std::vector<float> rows = rows_of(batch.tokens());
    const FloatInput input = {"x", rows.data()};
    batch.float_inputs = {&input, 1};
    EXPECT_THROW((void)run(graph, {}, batch, 1), Error) << node;
    batch.key_lengths = {};
    EXPECT_FALSE(run(graph, {}, batch, 1).empty()) << node;
  }
}

}  // namespace
}  // namespace tamis::engines::cpu
