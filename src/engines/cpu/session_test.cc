// A whole small encoder through Plan and Session: against plain arithmetic, against itself in other
// batches and on other thread counts, and the ways a run is refused or ended.
#include "engines/cpu/session.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "engines/cpu/cpu_engine.h"
#include "engines/cpu/test_encoder.h"

namespace tamis::engines::cpu {
namespace {

std::vector<float> floats(const Outputs& outputs, std::string_view name) {
  const auto values = outputs.get(name).as<float>();
  return {values.begin(), values.end()};
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

std::vector<IsaSet> isa_sets() {
  std::vector<IsaSet> sets;
  for (const Isa isa : all_isas()) {
    if (detected_isas().has(isa)) sets.push_back(isas_up_to(isa_name(isa)));
  }
  return sets;
}

std::shared_ptr<const Plan> plan_for(IsaSet isas,
                                     FloatArithmetic arithmetic = FloatArithmetic::kF32) {
  PlanOptions options;
  options.isas = isas;
  options.linear = arithmetic;
  return Plan::make(test_encoder(arithmetic), options);
}

constexpr FloatArithmetic kArithmetics[] = {FloatArithmetic::kF32, FloatArithmetic::kBf16};

TEST(Session, EveryIsaAgreesWithReference) {
  const TestBatch batch({5, 1, 33, 20});
  ThreadPool pool(2);
  Outputs expected;
  Session(plan_for(isas_up_to("reference")), pool).run(batch.packed(), expected);
  for (const IsaSet isas : isa_sets()) {
    Outputs outputs;
    Session(plan_for(isas), pool).run(batch.packed(), outputs);
    for (size_t i = 0; i < expected.size(); ++i) {
      const auto want = expected.view(i).as<float>();
      const auto got = outputs.view(i).as<float>();
      ASSERT_EQ(want.size(), got.size());
      // Two layers of sums over at most 40 terms of size about 1, LayerNorm in between: eps * k *
      // layers * 4, eps = 2^-24.
      const float tolerance = 0x1p-24f * 40 * 2 * 4;
      for (size_t j = 0; j < want.size(); ++j) {
        ASSERT_NEAR(want[j], got[j], tolerance * (1 + std::abs(want[j])))
            << expected.name(i) << " " << j;
      }
    }
  }
}

void expect_batched_equals_single(const std::shared_ptr<const Plan>& plan) {
  const TestBatch batch({7, 130, 1, 64, 300, 12, 12});
  ThreadPool pool(2);
  Session session(plan, pool);
  Outputs whole;
  session.run(batch.packed(), whole);
  const std::vector<float> tokens = floats(whole, "token_embeddings");
  const std::vector<float> pooled = floats(whole, "sentence_embedding");
  for (size_t s = 0; s + 1 < batch.cu_seqlens.size(); ++s) {
    const TestBatch one = batch.only(s);
    Outputs single;
    session.run(one.packed(), single);
    const auto first = static_cast<size_t>(batch.cu_seqlens[s] * kHidden);
    EXPECT_TRUE(same_bits(std::span(tokens).subspan(first, one.ids.size() * kHidden),
                          floats(single, "token_embeddings")));
    EXPECT_TRUE(same_bits(std::span(pooled).subspan(s * 2 * kHidden, 2 * kHidden),
                          floats(single, "sentence_embedding")));
  }
}

TEST(Session, BatchedEqualsSingleBitForBit) {
  for (const IsaSet isas : isa_sets()) {
    for (const FloatArithmetic arithmetic : kArithmetics) {
      expect_batched_equals_single(plan_for(isas, arithmetic));
    }
  }
}

void expect_threads_do_not_matter(const std::shared_ptr<const Plan>& plan) {
  const std::vector<std::vector<int32_t>> kLengths = {
      {40}, {300, 2}, {60, 60, 60, 60}, {3, 600, 9}};
  for (const auto& lengths : kLengths) {
    const TestBatch batch(lengths);
    std::vector<float> expected;
    for (const int threads : {1, 2, 3, 8}) {
      ThreadPool pool(threads);
      Session session(plan, pool);
      Outputs outputs;
      session.run(batch.packed(), outputs);
      const std::vector<float> got = floats(outputs, "token_embeddings");
      if (expected.empty()) expected = got;
      EXPECT_TRUE(same_bits(expected, got)) << threads << " threads";
    }
  }
}

TEST(Session, AnyThreadCountGivesTheSameBits) {
  for (const IsaSet isas : isa_sets()) {
    for (const FloatArithmetic arithmetic : kArithmetics) {
      expect_threads_do_not_matter(plan_for(isas, arithmetic));
    }
  }
}

TEST(Session, SelectedTokensAreTheRowsOfAll) {
  TestBatch batch({20, 5, 90});
  ThreadPool pool(2);
  Session session(plan_for(detected_isas()), pool);
  Outputs all;
  session.run(batch.packed(), all);
  const std::vector<float> rows = floats(all, "logits");
  batch.selected = {0, 4, 21, 24, 25, 114};
  Outputs some;
  session.run(batch.packed(), some);
  const std::vector<float> chosen = floats(some, "logits");
  ASSERT_EQ(chosen.size(), batch.selected.size() * 7);
  for (size_t i = 0; i < batch.selected.size(); ++i) {
    const auto from = static_cast<size_t>(batch.selected[i]) * 7;
    EXPECT_TRUE(same_bits(std::span(chosen).subspan(i * 7, 7), std::span(rows).subspan(from, 7)));
  }
}

TEST(Session, WantedOutputsAndTapsOnly) {
  engine::EngineOptions options;
  options.outputs = {"sentence_embedding"};
  options.taps = {"embedded"};
  options.pool = std::make_shared<ThreadPool>(1);
  const auto made = row().make(test_encoder(), options);
  ASSERT_EQ(made->info().outputs.size(), 2u);
  EXPECT_EQ(made->info().outputs[0].unit, engine::RowUnit::kSequence);
  EXPECT_EQ(made->info().outputs[1].unit, engine::RowUnit::kToken);
  EXPECT_EQ(made->info().outputs[1].width, kHidden);
  Outputs outputs;
  const TestBatch batch({4, 6});
  made->make_session()->run(batch.packed(), outputs);
  EXPECT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs.get("embedded").shape(), Shape({10, kHidden}));
  EXPECT_FALSE(outputs.has("logits"));
  EXPECT_THROW((void)outputs.get("logits"), Error);
  options.taps = {"nowhere"};
  EXPECT_THROW((void)row().make(test_encoder(), options), Error);
}

TEST(Session, PositionIdsMayBeGiven) {
  TestBatch batch({6});
  ThreadPool pool(1);
  Session session(plan_for(detected_isas()), pool);
  Outputs plain;
  session.run(batch.packed(), plain);
  const std::vector<int32_t> same = {0, 1, 2, 3, 4, 5};
  const std::vector<int32_t> shifted = {3, 4, 5, 6, 7, 8};
  PackedBatch packed = batch.packed();
  Outputs given;
  packed.position_ids = same;
  session.run(packed, given);
  EXPECT_TRUE(same_bits(floats(plain, "logits"), floats(given, "logits")));
  packed.position_ids = shifted;
  session.run(packed, given);
  EXPECT_FALSE(same_bits(floats(plain, "logits"), floats(given, "logits")));
}

TEST(Session, RefusesWhatDoesNotFit) {
  ThreadPool pool(1);
  Session session(plan_for(detected_isas()), pool);
  const auto refusal = [&session](const PackedBatch& batch) {
    Outputs outputs;
    try {
      session.run(batch, outputs);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(refusal(PackedBatch{}), "batch: no sequences; at least one is needed");
  TestBatch batch({3, 4});
  batch.ids[5] = 50;
  EXPECT_EQ(refusal(batch.packed()), "batch: input_ids[5] is 50, must lie in 0..49");
  batch.ids[5] = -1;
  EXPECT_EQ(refusal(batch.packed()), "batch: input_ids[5] is -1, must lie in 0..49");
  batch.ids[5] = 0;
  batch.types[6] = 2;
  EXPECT_EQ(refusal(batch.packed()), "batch: token_type_ids[6] is 2, must lie in 0..1");
  batch.types.pop_back();
  EXPECT_EQ(refusal(batch.packed()), "batch: token_type_ids has 6 entries for 7 tokens");
  batch.types.clear();
  batch.cu_seqlens[1] = 7;
  EXPECT_EQ(refusal(batch.packed()), "batch: max_seqlen is 4, the longest sequence has 7 tokens");
  batch.cu_seqlens[1] = 3;
  batch.cu_seqlens[2] = 6;
  EXPECT_EQ(refusal(batch.packed()),
            "batch: cu_seqlens runs from 0 to 6, must run from 0 to the 7 tokens");
  EXPECT_EQ(refusal(TestBatch({701}).packed()),
            "batch: sequence 0 has 701 tokens, the model takes at most 700");
  batch.cu_seqlens[2] = 7;
  batch.selected = {5, 2};
  EXPECT_EQ(refusal(batch.packed()), "batch: selected_tokens must rise");
}

TEST(Session, ASubmittedRunIsWaitedFor) {
  ThreadPool pool(1);
  Session session(plan_for(detected_isas()), pool);
  const TestBatch batch({4, 6});
  Outputs ran;
  session.run(batch.packed(), ran);
  Outputs submitted;
  const engine::Ticket ticket = session.submit(batch.packed(), submitted, {});
  session.wait(ticket);
  EXPECT_TRUE(same_bits(floats(ran, "logits"), floats(submitted, "logits")));
  const engine::Ticket refused = session.submit(PackedBatch{}, submitted, {});
  EXPECT_THROW(session.wait(refused), Error);
}

TEST(Session, EndsWhenToldTo) {
  ThreadPool pool(2);
  Session session(plan_for(detected_isas()), pool);
  const auto ending = [&](const TestBatch& batch, const RunControl& control) {
    Outputs outputs;
    try {
      session.run(batch.packed(), outputs, control);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kInternal;
  };
  const std::vector<int32_t> many(20, 100);
  std::atomic<bool> stop{true};
  RunControl control;
  control.stop = &stop;
  EXPECT_EQ(ending(TestBatch(many), control), ErrorCode::kCancelled);
  // Told half way, by the progress callback: block by block, and as a team.
  for (const auto& lengths : {many, std::vector<int32_t>{600, 300, 300}}) {
    stop = false;
    control.progress = [&stop](int64_t, int64_t) { stop = true; };
    EXPECT_EQ(ending(TestBatch(lengths), control), ErrorCode::kCancelled);
  }
  ManualClock clock;
  clock.advance_ns(1000);
  RunControl late;
  late.clock = &clock;
  late.deadline_ns = 1000;
  EXPECT_EQ(ending(TestBatch(many), late), ErrorCode::kDeadlineExceeded);
  late.deadline_ns = 1001;
  EXPECT_EQ(ending(TestBatch(many), late), ErrorCode::kInternal);  // in time
}

TEST(Session, ReportsProgressToTheEnd) {
  ThreadPool pool(2);
  Session session(plan_for(detected_isas()), pool);
  RunControl control;
  int64_t last = 0;
  control.progress = [&last](int64_t done, int64_t total) {
    EXPECT_GT(done, last);
    EXPECT_EQ(total, 2000);
    last = done;
  };
  Outputs outputs;
  session.run(TestBatch(std::vector<int32_t>(20, 100)).packed(), outputs, control);
  EXPECT_EQ(last, 2000);
}

TEST(Plan, CountsOperations) {
  const auto plan = plan_for(detected_isas());
  const TestBatch batch({10, 20});
  // Per token and layer 2 (3 h^2 + h^2 + 2 * 40 h), per pair and layer 4 h; logits 2 * 7 h a token.
  const double linear = 30 * (2.0 * 2 * (4 * kHidden * kHidden + 80 * kHidden) + 2.0 * 7 * kHidden);
  const double attention = 500 * 2.0 * 4 * kHidden;
  EXPECT_DOUBLE_EQ(plan->operations(batch.packed()), linear + attention);
}

TEST(Plan, WhatWasForcedRuns) {
  for (const IsaSet isas : isa_sets()) {
    const std::string_view wanted = isas.has(Isa::kAvx512) ? "avx512"
                                    : isas.has(Isa::kAvx2) ? "avx2"
                                                           : "reference";
    const auto plan = plan_for(isas);
    for (const auto& step : plan->steps()) {
      const std::string_view kernel = step->kernel();
      if (kernel == "position_ids" || kernel == "select_rows") continue;
      EXPECT_TRUE(kernel.ends_with(wanted)) << kernel << " for " << wanted;
    }
  }
}

}  // namespace
}  // namespace tamis::engines::cpu
