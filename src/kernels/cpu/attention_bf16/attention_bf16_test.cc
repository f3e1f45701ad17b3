// Every row the CPU has against the reference, and against each other bit by bit.
#include "kernels/cpu/attention_bf16/attention_bf16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/bf16.h"
#include "kernels/cpu/testing/guarded.h"
#include "kernels/cpu/testing/rows.h"

namespace tamis::kernels {

#define X(row, level) extern const AttentionBf16Kernel attention_bf16_##row;
#include "kernels/cpu/attention_bf16/kernels.inc"
#undef X

namespace {

using testing::Guarded;
using testing::random_floats;
using testing::rows_here;

constexpr KernelRow<AttentionBf16Kernel> kRows[] = {
#define X(row, level) {Isa::level, &attention_bf16_##row},
#include "kernels/cpu/attention_bf16/kernels.inc"
#undef X
};

constexpr double kEps = 0x1p-24;
constexpr double kBf16Eps = 0x1p-9;       // half a unit in the last place, relatively
constexpr double kProbability = 0x1p-12;  // what p may be off by before its rounding, relatively
constexpr float kLimit = 2;               // |q|, |k|, |v|

// Rows of one kind give the same bits (attention_bf16.h).
enum class Kind { kWidened, kPairs, kTiles };
Kind kind_of(Isa isa) {
  if (isa == Isa::kAmx) return Kind::kTiles;
  return isa == Isa::kAvx512Bf16 ? Kind::kPairs : Kind::kWidened;
}

enum class Operands { kF32, kBf16 };

struct Problem {
  Problem(std::vector<int32_t> offsets, int64_t head_count, int64_t size)
      : cu_seqlens(std::move(offsets)),
        heads(head_count),
        head_size(size),
        width(heads * head_size),
        qkv(random_floats(cu_seqlens.back() * 3 * width, kLimit, 1)),
        rounded(qkv.size()) {
    round();
  }

  void round() {
    for (int64_t i = 0; i < qkv.size(); ++i) rounded[i] = float_to_bf16(qkv[i]);
  }
  [[nodiscard]] AttentionBf16Args arguments(Operands operands) const {
    AttentionBf16Args args;
    args.cu_seqlens = cu_seqlens.data();
    args.sequences = static_cast<int64_t>(cu_seqlens.size()) - 1;
    args.heads = heads;
    args.head_size = head_size;
    args.scale = 1 / std::sqrt(static_cast<float>(head_size));
    AttentionOperand* const all[] = {&args.q, &args.k, &args.v};
    for (int64_t i = 0; i < 3; ++i) {
      all[i]->ld = 3 * width;
      if (operands == Operands::kBf16) {
        all[i]->bf16 = rounded.data() + i * width;
      } else {
        all[i]->f32 = qkv.data() + i * width;
      }
    }
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
  Guarded<uint16_t> rounded;
};

// Runs sequence by sequence, `rows_a_call` query rows at a time.
void run_all(const AttentionBf16Kernel& kernel, const Problem& problem, int64_t rows_a_call,
             const AttentionBf16Args& args) {
  for (int64_t s = 0; s < args.sequences; ++s) {
    const int64_t length = problem.length(s);
    const auto bytes = static_cast<int64_t>(kernel.scratch_bytes(length, problem.head_size, {}));
    Guarded<float> scratch(bytes / 4);
    for (int64_t row = 0; row < length; row += rows_a_call) {
      const int64_t end = std::min(length, row + rows_a_call);
      kernel.run(args, {s, 0, problem.heads, row, end}, scratch.data());
    }
  }
}

Guarded<float> run(const AttentionBf16Kernel& kernel, const Problem& problem, int64_t rows_a_call,
                   Operands operands = Operands::kBf16) {
  Guarded<float> out(problem.elements());
  AttentionBf16Args args = problem.arguments(operands);
  args.out = out.data();
  run_all(kernel, problem, rows_a_call, args);
  return out;
}

// A score errs by (head_size + 1) eps sum|q||k| scale, p relatively by that twice (its own and the
// row's greatest) and kProbability, and its rounding may fall to the other side: kBf16Eps on
// either. The sum over n keys and the context err by n eps each, plus what blocks of keys are
// scaled by: once more p's error a block of at least 512 keys. An output is an average of |v| <= 2.
double tolerance(const Problem& problem) {
  int64_t longest = 0;
  for (size_t s = 0; s + 1 < problem.cu_seqlens.size(); ++s) {
    longest = std::max(longest, problem.length(static_cast<int64_t>(s)));
  }
  const auto size = static_cast<double>(problem.head_size);
  const double score = (size + 1) * kEps * size * kLimit * kLimit / std::sqrt(size);
  const int64_t whole_blocks = longest / 512;
  const double blocks = 1 + static_cast<double>(whole_blocks);
  return kLimit * (blocks * 2 * (2 * score + kProbability) + 2 * kBf16Eps +
                   4 * static_cast<double>(longest) * kEps);
}

void expect_rows_agree(const Problem& problem) {
  const Guarded<float> truth = run(attention_bf16_reference, problem, 1 << 20);
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(::testing::Message() << row.kernel->name << " head_size=" << problem.head_size
                                      << " last=" << problem.cu_seqlens.back());
    const Guarded<float> out = run(*row.kernel, problem, 1 << 20);
    for (int64_t i = 0; i < out.size(); ++i) {
      ASSERT_NEAR(out[i], truth[i], tolerance(problem)) << i;
    }
    // Operands that come in fp32 are rounded to the same numbers.
    EXPECT_TRUE(run(*row.kernel, problem, 1 << 20, Operands::kF32).same_bits(out));
    for (const auto& other : rows_here(kRows)) {
      if (row.isa == Isa::kReference || other.isa == Isa::kReference) continue;
      if (kind_of(row.isa) != kind_of(other.isa)) continue;
      EXPECT_TRUE(out.same_bits(run(*other.kernel, problem, 1 << 20))) << other.kernel->name;
    }
  }
}

TEST(AttentionBf16, EveryRowAtTileEdges) {
  for (const int32_t length : {1, 2, 5, 6, 7, 11, 12, 13, 15, 16, 17, 31, 32, 33, 49, 65}) {
    expect_rows_agree(Problem({0, length}, 2, 32));
  }
}

TEST(AttentionBf16, EveryHeadSize) {
  for (const int64_t head_size : {1, 2, 3, 15, 16, 17, 24, 31, 32, 33, 48, 64, 80, 96, 128, 256}) {
    expect_rows_agree(Problem({0, 19}, 2, head_size));
  }
}

TEST(AttentionBf16, RaggedBatchWithAnEmptySequence) {
  expect_rows_agree(Problem({0, 40, 40, 41, 100}, 3, 64));
}

// Keys come in blocks from 512 on.
TEST(AttentionBf16, EdgesOfAKeyBlock) {
  for (const int32_t length : {511, 512, 513, 545, 1025}) {
    expect_rows_agree(Problem({0, length}, 1, 16));
  }
}

TEST(AttentionBf16, RoundedOutputIsTheRoundedFloat) {
  const Problem problem({0, 29, 29 + 600}, 2, 24);
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    const Guarded<float> out = run(*row.kernel, problem, 1 << 20);
    Guarded<uint16_t> rounded(problem.elements());
    AttentionBf16Args args = problem.arguments(Operands::kBf16);
    args.out_bf16 = rounded.data();
    run_all(*row.kernel, problem, 1 << 20, args);
    for (int64_t i = 0; i < out.size(); ++i) ASSERT_EQ(rounded[i], float_to_bf16(out[i])) << i;
    args.out_bf16 = nullptr;
    args.out_f16 = rounded.data();
    run_all(*row.kernel, problem, 1 << 20, args);
    for (int64_t i = 0; i < out.size(); ++i) ASSERT_EQ(rounded[i], float_to_f16(out[i])) << i;
  }
}

TEST(AttentionBf16, RowsSplitAnyWayGiveTheSameBits) {
  const Problem problem({0, 50, 177, 777}, 2, 48);
  for (const auto& row : rows_here(kRows)) {
    if (row.isa == Isa::kReference) continue;  // row by row
    SCOPED_TRACE(row.kernel->name);
    const Guarded<float> whole = run(*row.kernel, problem, 1 << 20);
    for (const int64_t rows : {1, 7, 12, 64}) {
      EXPECT_TRUE(run(*row.kernel, problem, rows).same_bits(whole)) << rows;
    }
  }
}

TEST(AttentionBf16, ASequenceDoesNotDependOnItsBatch) {
  const Problem problem({0, 33, 64, 97}, 2, 32);
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(row.kernel->name);
    const Guarded<float> batch = run(*row.kernel, problem, 1 << 20);
    Guarded<float> alone(problem.elements());
    AttentionBf16Args args = problem.arguments(Operands::kBf16);
    const int32_t single[] = {0, 31};
    args.cu_seqlens = single;
    args.sequences = 1;
    args.q.bf16 += 33 * args.q.ld;
    args.k.bf16 += 33 * args.k.ld;
    args.v.bf16 += 33 * args.v.ld;
    args.out = alone.data();
    Guarded<float> scratch(static_cast<int64_t>(row.kernel->scratch_bytes(31, 32, {}) / 4));
    row.kernel->run(args, {0, 0, 2, 0, 31}, scratch.data());
    EXPECT_EQ(std::memcmp(alone.data(), batch.data() + 33 * problem.width,
                          sizeof(float) * static_cast<size_t>(31 * problem.width)),
              0);
  }
}

TEST(AttentionBf16, LongSequence) {
  const Problem problem({0, 8192}, 1, 16);
  Guarded<float> truth(problem.elements());
  AttentionBf16Args args = problem.arguments(Operands::kBf16);
  args.out = truth.data();
  const AttentionWork last_rows = {0, 0, 1, 8180, 8192};
  attention_bf16_reference.run(args, last_rows, nullptr);
  for (const auto& row : rows_here(kRows)) {
    if (row.isa == Isa::kReference) continue;
    SCOPED_TRACE(row.kernel->name);
    Guarded<float> out(problem.elements());
    Guarded<float> scratch(static_cast<int64_t>(row.kernel->scratch_bytes(8192, 16, {}) / 4));
    args.out = out.data();
    row.kernel->run(args, last_rows, scratch.data());
    for (int64_t i = 8180 * 16; i < out.size(); ++i) {
      ASSERT_NEAR(out[i], truth[i], tolerance(problem)) << i;
    }
    EXPECT_EQ(out[8180 * 16 - 1], 0);
  }
}

// Scores up to 64 million: one key takes all, and a later block may take it over.
TEST(AttentionBf16, LargeScoresDoNotOverflow) {
  for (const int32_t length : {20, 1100}) {
    Problem problem({0, length}, 1, 16);
    for (int64_t i = 0; i < problem.qkv.size(); ++i) {
      if (i % 48 < 32) problem.qkv[i] *= 500;
    }
    problem.round();
    for (const auto& row : rows_here(kRows)) {
      SCOPED_TRACE(row.kernel->name);
      const Guarded<float> out = run(*row.kernel, problem, 1 << 20);
      for (int64_t i = 0; i < out.size(); ++i) {
        ASSERT_LE(std::fabs(out[i]), kLimit * (1 + kBf16Eps)) << i;
      }
    }
  }
}

// Equal scores: every p is exactly 1.
TEST(AttentionBf16, EqualKeysGiveTheMeanOfV) {
  for (const int32_t length : {1, 16, 100, 700}) {
    Problem problem({0, length}, 1, 32);
    std::vector<double> mean(32);
    for (int64_t i = 0; i < length; ++i) {
      for (int64_t d = 0; d < 32; ++d) {
        problem.qkv[i * 96 + 32 + d] = 1;
        mean[static_cast<size_t>(d)] +=
            bf16_to_float(float_to_bf16(problem.qkv[i * 96 + 64 + d])) / length;
      }
    }
    problem.round();
    for (const auto& row : rows_here(kRows)) {
      SCOPED_TRACE(row.kernel->name);
      const Guarded<float> out = run(*row.kernel, problem, 1 << 20);
      for (int64_t i = 0; i < out.size(); ++i) {
        ASSERT_NEAR(out[i], mean[static_cast<size_t>(i % 32)], kLimit * (length + 2) * kEps) << i;
      }
    }
  }
}

// Scores up to several hundred: rows whose sum of exp(score) no float holds, beside rows that it
// does.
void expect_rows_beyond_the_range(int32_t length, int64_t head_size) {
  constexpr float kFactor = 200;
  Problem problem({0, length}, 1, head_size);
  for (int64_t i = 0; i < length; i += 3) {
    for (int64_t d = 0; d < head_size; ++d) problem.qkv[i * 3 * head_size + d] *= kFactor;
  }
  problem.round();
  // A score's error grows by the factor (tolerance()).
  const auto size = static_cast<double>(head_size);
  const double score = (size + 1) * kEps * size * kLimit * kLimit / std::sqrt(size);
  const double more = 4 * kLimit * kFactor * score;
  const Guarded<float> truth = run(attention_bf16_reference, problem, 1 << 20);
  for (const auto& row : rows_here(kRows)) {
    SCOPED_TRACE(::testing::Message() << row.kernel->name << " head_size=" << head_size);
    const Guarded<float> out = run(*row.kernel, problem, 1 << 20);
    for (int64_t i = 0; i < out.size(); ++i) {
      ASSERT_NEAR(out[i], truth[i], tolerance(problem) + more) << i;
    }
    for (const int64_t rows : {1, 5}) {
      EXPECT_TRUE(run(*row.kernel, problem, rows).same_bits(out)) << rows;
    }
  }
}

TEST(AttentionBf16, RowsBeyondTheRangeOfExp) {
  for (const int32_t length : {30, 700}) {
    for (const int64_t head_size : {8, 16, 40}) expect_rows_beyond_the_range(length, head_size);
  }
}

TEST(AttentionBf16, SelectionTakesTheBestRowOfTheSet) {
  EXPECT_EQ(std::string_view(select_attention_bf16(IsaSet()).name), "attention_bf16_reference");
  for (const auto& row : rows_here(kRows)) {
    EXPECT_EQ(&select_attention_bf16(isas_up_to(isa_name(row.isa))), row.kernel);
  }
}

}  // namespace
}  // namespace tamis::kernels
