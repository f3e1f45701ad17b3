// Every row the CPU has against the reference, and against each other bit by bit.
#include "kernels/cpu/attention_f32/attention_f32.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string_view>
#include <vector>

#include "kernels/cpu/testing/guarded.h"
#include "kernels/cpu/testing/rows.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels {

#define X(row, level) extern const AttentionF32Kernel attention_f32_##row;
#include "kernels/cpu/attention_f32/kernels.inc"
#undef X

namespace {

using testing::Guarded;
using testing::random_floats;
using testing::rows_here;

constexpr KernelRow<AttentionF32Kernel> kRows[] = {
#define X(row, level) {Isa::level, &attention_f32_##row},
#include "kernels/cpu/attention_f32/kernels.inc"
#undef X
};

constexpr double kEps = 0x1p-24;
constexpr float kLimit = 2;  // |q|, |k|, |v|

struct Problem {
  Problem(std::vector<int32_t> offsets, int64_t head_count, int64_t size)
      : cu_seqlens(std::move(offsets)),
        heads(head_count),
        head_size(size),
        width(heads * head_size),
        qkv(random_floats(cu_seqlens.back() * 3 * width, kLimit, 1)) {}

  [[nodiscard]] AttentionArgs arguments(Guarded<float>& out) const {
    AttentionArgs args;
    args.cu_seqlens = cu_seqlens.data();
    args.sequences = static_cast<int64_t>(cu_seqlens.size()) - 1;
    args.heads = heads;
    args.head_size = head_size;
    args.scale = 1 / std::sqrt(static_cast<float>(head_size));
    args.q = qkv.data();
    args.k = qkv.data() + width;
    args.v = qkv.data() + 2 * width;
    args.ldq = args.ldk = args.ldv = 3 * width;
    args.out = out.data();
    args.ldo = width;
    return args;
  }
  [[nodiscard]] int64_t length(int64_t s) const {
    return cu_seqlens[static_cast<size_t>(s) + 1] - cu_seqlens[static_cast<size_t>(s)];
  }
  [[nodiscard]] int64_t elements() const { return cu_seqlens.back() * width; }

  std::vector<int32_t> cu_seqlens;
  int64_t heads, head_size, width;
  Guarded<float> qkv;
};

// Runs sequence by sequence, `rows_a_call` query rows at a time.
Guarded<float> run(const AttentionF32Kernel& kernel, const Problem& problem, int64_t rows_a_call) {
  Guarded<float> out(problem.elements());
  const AttentionArgs args = problem.arguments(out);
  for (int64_t s = 0; s < args.sequences; ++s) {
    const int64_t length = problem.length(s);
    const auto bytes = static_cast<int64_t>(kernel.scratch_bytes(length, problem.head_size, {}));
    Guarded<float> scratch(bytes / 4);
    for (int64_t row = 0; row < length; row += rows_a_call) {
      const int64_t end = std::min(length, row + rows_a_call);
      kernel.run(args, {s, 0, problem.heads, row, end}, scratch.data());
    }
  }
  return out;
}

// A score errs by (head_size + 1) eps sum|q||k| scale, an exponential relatively by that twice (its
// own and the row's greatest) and 4 eps, the sum over n keys and the context each by n eps; an
// output is an average of |v| <= 2.
double tolerance(const Problem& problem) {
  int64_t longest = 0;
  for (size_t s = 0; s + 1 < problem.cu_seqlens.size(); ++s) {
    longest = std::max(longest, problem.length(static_cast<int64_t>(s)));
  }
  const auto size = static_cast<double>(problem.head_size);
  const double score = (size + 1) * kEps * size * kLimit * kLimit / std::sqrt(size);
  return kLimit * 2 * (2 * score + (4 + 2 * static_cast<double>(longest)) * kEps);
}

void expect_rows_agree(const Problem& problem) {
  Guarded<float> truth(problem.elements());
  reference::attention(problem.arguments(truth));
  const Guarded<float> first = run(*rows_here(kRows)[0].kernel, problem, 1 << 20);
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(::testing::Message() << row.kernel->name << " head_size=" << problem.head_size
                                      << " last=" << problem.cu_seqlens.back());
    const Guarded<float> out = run(*row.kernel, problem, 1 << 20);
    for (int64_t i = 0; i < out.size(); ++i) {
      ASSERT_NEAR(out[i], truth[i], tolerance(problem)) << i;
    }
    EXPECT_TRUE(row.isa == Isa::kReference || out.same_bits(first));
  }
}

TEST(AttentionF32, EveryRowAtTileEdges) {
  for (const int32_t length : {1, 2, 5, 6, 7, 11, 12, 13, 15, 16, 17, 31, 32, 33, 49, 65}) {
    expect_rows_agree(Problem({0, length}, 2, 32));
  }
}

TEST(AttentionF32, EveryHeadSize) {
  for (const int64_t head_size : {1, 4, 15, 16, 17, 24, 31, 32, 33, 48, 64, 80, 96, 128, 256}) {
    expect_rows_agree(Problem({0, 19}, 2, head_size));
  }
}

TEST(AttentionF32, RaggedBatchWithAnEmptySequence) {
  expect_rows_agree(Problem({0, 40, 40, 41, 100}, 3, 64));
}

TEST(AttentionF32, RowsSplitAnyWayGiveTheSameBits) {
  const Problem problem({0, 50, 177}, 2, 48);
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    const Guarded<float> whole = run(*row.kernel, problem, 1 << 20);
    for (const int64_t rows : {1, 7, 12, 64}) {
      EXPECT_TRUE(run(*row.kernel, problem, rows).same_bits(whole)) << rows;
    }
  }
}

TEST(AttentionF32, ASequenceDoesNotDependOnItsBatch) {
  const Problem problem({0, 33, 64, 97}, 2, 32);
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    const Guarded<float> batch = run(*row.kernel, problem, 1 << 20);
    Guarded<float> alone(problem.elements());
    AttentionArgs args = problem.arguments(alone);
    const int32_t single[] = {0, 31};
    args.cu_seqlens = single;
    args.sequences = 1;
    args.q += 33 * args.ldq;
    args.k += 33 * args.ldk;
    args.v += 33 * args.ldv;
    Guarded<float> scratch(static_cast<int64_t>(row.kernel->scratch_bytes(31, 32, {}) / 4));
    row.kernel->run(args, {0, 0, 2, 0, 31}, scratch.data());
    EXPECT_EQ(std::memcmp(alone.data(), batch.data() + 33 * problem.width,
                          sizeof(float) * static_cast<size_t>(31 * problem.width)),
              0);
  }
}

TEST(AttentionF32, LongSequence) {
  const Problem problem({0, 8192}, 1, 16);
  Guarded<float> truth(problem.elements());
  const AttentionArgs reference_args = problem.arguments(truth);
  reference::attention_rows(reference_args, {0, 0, 1, 8180, 8192});
  for (const auto& row : rows_here(kRows)) {
    if (row.isa == Isa::kReference) continue;
    SCOPED_TRACE(row.kernel->name);
    Guarded<float> out(problem.elements());
    Guarded<float> scratch(static_cast<int64_t>(row.kernel->scratch_bytes(8192, 16, {}) / 4));
    row.kernel->run(problem.arguments(out), {0, 0, 1, 8180, 8192}, scratch.data());
    for (int64_t i = 8180 * 16; i < out.size(); ++i) {
      ASSERT_NEAR(out[i], truth[i], tolerance(problem)) << i;
    }
    EXPECT_EQ(out[8180 * 16 - 1], 0);
  }
}

TEST(AttentionF32, LargeScoresDoNotOverflow) {
  Problem problem({0, 20}, 1, 16);
  for (int64_t i = 0; i < problem.qkv.size(); ++i) {
    if (i % 48 < 32) problem.qkv[i] *= 500;  // scores up to 64 million
  }
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    const Guarded<float> out = run(*row.kernel, problem, 1 << 20);
    for (int64_t i = 0; i < out.size(); ++i) {
      ASSERT_LE(std::fabs(out[i]), kLimit * (1 + 64 * kEps)) << i;
    }
  }
}

// Scores up to several hundred: rows whose sum of exp(score) no float holds, beside rows that it
// does.
TEST(AttentionF32, RowsBeyondTheRangeOfExp) {
  constexpr float kFactor = 200;
  for (const int32_t length : {30, 700}) {
    Problem problem({0, length}, 1, 16);
    for (int64_t i = 0; i < length; i += 3) {
      for (int64_t d = 0; d < 16; ++d) problem.qkv[i * 48 + d] *= kFactor;
    }
    // A score's error grows by the factor (tolerance()).
    const double more = 4 * kLimit * kFactor * (17 * kEps * 16 * kLimit * kLimit / 4);
    Guarded<float> truth(problem.elements());
    reference::attention(problem.arguments(truth));
    for (const auto& row : rows_here(kRows)) {
      SCOPED_TRACE(row.kernel->name);
      const Guarded<float> out = run(*row.kernel, problem, 1 << 20);
      for (int64_t i = 0; i < out.size(); ++i) {
        ASSERT_NEAR(out[i], truth[i], tolerance(problem) + more) << i;
      }
      for (const int64_t rows : {1, 5}) {
        EXPECT_TRUE(run(*row.kernel, problem, rows).same_bits(out)) << rows;
      }
    }
  }
}

TEST(AttentionF32, SelectionTakesTheBestRowOfTheSet) {
  EXPECT_EQ(std::string_view(select_attention_f32(IsaSet()).name), "attention_f32_reference");
  for (const auto& row : rows_here(kRows)) {
    EXPECT_EQ(&select_attention_f32(isas_up_to(isa_name(row.isa))), row.kernel);
  }
}

}  // namespace
}  // namespace tamis::kernels
