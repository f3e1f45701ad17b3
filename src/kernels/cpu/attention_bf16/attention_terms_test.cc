// Windows, biases, position tables and shared keys, in both attentions: every row the CPU has
// against the reference, and against each other bit by bit.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/cpu/attention_bf16/attention_bf16.h"
#include "kernels/cpu/attention_f32/attention_f32.h"
#include "kernels/cpu/testing/guarded.h"
#include "kernels/cpu/testing/rows.h"

namespace tamis::kernels {

#define X(row, level) extern const AttentionF32Kernel attention_f32_##row;
#include "kernels/cpu/attention_f32/kernels.inc"
#undef X
#define X(row, level) extern const AttentionBf16Kernel attention_bf16_##row;
#include "kernels/cpu/attention_bf16/kernels.inc"
#undef X

namespace {

using testing::Guarded;
using testing::random_floats;
using testing::rows_here;

constexpr KernelRow<AttentionF32Kernel> kF32Rows[] = {
#define X(row, level) {Isa::level, &attention_f32_##row},
#include "kernels/cpu/attention_f32/kernels.inc"
#undef X
};
constexpr KernelRow<AttentionBf16Kernel> kBf16Rows[] = {
#define X(row, level) {Isa::level, &attention_bf16_##row},
#include "kernels/cpu/attention_bf16/kernels.inc"
#undef X
};

constexpr double kEps = 0x1p-24;
constexpr float kLimit = 1;  // |q|, |k|, |v|, what tables hold
constexpr int64_t kSlots = 21;
constexpr int32_t kSeparator = 2;

struct Case {
  std::string name;
  int64_t left = AttentionTerms::kAll;
  int64_t right = AttentionTerms::kAll;
  int64_t bias_reach = -1;  // no bias
  int64_t slot_reach = -1;  // no position tables
  bool position_keys = true;
  bool position_queries = true;
  bool falling = false;  // slots, with the distance
  int64_t group = 1;     // heads that share keys and values
  GlobalRule global = GlobalRule::kNone;
  int64_t block_size = 0;
  int64_t random_blocks = 0;
};

const Case kCases[] = {
    {.name = "bias", .bias_reach = 300},
    {.name = "bias that saturates", .bias_reach = 4},
    {.name = "one bias for all distances", .bias_reach = 0},
    {.name = "window", .left = 3, .right = 2},
    {.name = "own key alone", .left = 0, .right = 0},
    {.name = "wide window", .left = 40, .right = 64},
    {.name = "causal", .right = 0},
    {.name = "causal window", .left = 7, .right = 0},
    {.name = "only what comes", .left = 0},
    {.name = "window and bias", .left = 5, .right = 9, .bias_reach = 12},
    {.name = "disentangled", .slot_reach = 10},
    {.name = "disentangled, falling", .slot_reach = 10, .falling = true},
    {.name = "position keys", .slot_reach = 10, .position_queries = false},
    {.name = "position queries", .slot_reach = 3, .position_keys = false},
    {.name = "everything", .left = 30, .right = 20, .bias_reach = 8, .slot_reach = 6, .group = 2},
    {.name = "the first seen by all", .left = 3, .right = 3, .global = GlobalRule::kFirst},
    {.name = "a question seen by all",
     .left = 5,
     .right = 2,
     .group = 2,
     .global = GlobalRule::kBeforeSeparator},
    {.name = "an answer seen by all",
     .left = 0,
     .right = 1,
     .global = GlobalRule::kBehindSeparator},
    {.name = "blocks of one", .block_size = 1, .random_blocks = 1},
    {.name = "blocks", .block_size = 4, .random_blocks = 2},
    {.name = "blocks, grouped", .group = 2, .block_size = 7, .random_blocks = 1},
    {.name = "grouped", .group = 2},
    {.name = "one for all heads", .group = 4},
    {.name = "grouped causal", .right = 0, .group = 2},
};

constexpr int64_t kHeads = 4;

struct Problem {
  Problem(const Case& which, std::vector<int32_t> offsets, int64_t size)
      : cu_seqlens(std::move(offsets)),
        head_size(size),
        width(kHeads * size),
        kv_width(width / which.group),
        q(random_floats(cu_seqlens.back() * width, kLimit, 1)),
        kv(random_floats(cu_seqlens.back() * 2 * kv_width, kLimit, 2)),
        bias(random_floats(kHeads * (2 * which.bias_reach + 1 > 0 ? 2 * which.bias_reach + 1 : 1),
                           kLimit, 3)),
        keys(random_floats(kSlots * width, kLimit, 4)),
        queries(random_floats(kSlots * width, kLimit, 5)) {
    terms.left = which.left;
    terms.right = which.right;
    for (int64_t s = 0; s < sequences(); ++s) {
      for (int64_t t = 0; t < length(s); ++t) ids.push_back(t == length(s) / 3 ? kSeparator : 7);
    }
    terms.global = which.global;
    terms.block_size = which.block_size;
    terms.random_blocks = which.random_blocks;
    terms.separator = kSeparator;
    terms.ids = ids.data();
    if (which.bias_reach >= 0) {
      terms.bias = bias.data();
      terms.bias_reach = which.bias_reach;
    }
    kv_heads = kHeads / which.group;
    if (which.slot_reach < 0) return;
    for (int64_t d = -which.slot_reach; d <= which.slot_reach; ++d) {
      slots.push_back(static_cast<int32_t>(kSlots / 2 + (which.falling ? -d : d)));
    }
    terms.slots = slots.data();
    terms.slot_reach = which.slot_reach;
    terms.position_rows = kSlots;
    terms.ld_positions = width;
    if (which.position_keys) terms.position_keys = keys.data();
    if (which.position_queries) terms.position_queries = queries.data();
  }

  [[nodiscard]] float scale() const { return 1 / std::sqrt(static_cast<float>(head_size)); }
  [[nodiscard]] int64_t sequences() const { return static_cast<int64_t>(cu_seqlens.size()) - 1; }
  [[nodiscard]] int64_t length(int64_t s) const {
    return cu_seqlens[static_cast<size_t>(s) + 1] - cu_seqlens[static_cast<size_t>(s)];
  }

  [[nodiscard]] AttentionBf16Args arguments() const {
    AttentionBf16Args args;
    args.cu_seqlens = cu_seqlens.data();
    args.sequences = sequences();
    args.heads = kHeads;
    args.kv_heads = kv_heads;
    args.head_size = head_size;
    args.scale = scale();
    args.q = {q.data(), nullptr, width};
    args.k = {kv.data(), nullptr, 2 * kv_width};
    args.v = {kv.data() + kv_width, nullptr, 2 * kv_width};
    args.ldo = width;
    args.terms = terms;
    return args;
  }

  std::vector<int32_t> cu_seqlens;
  int64_t head_size, width, kv_width, kv_heads;
  Guarded<float> q, kv, bias, keys, queries;
  std::vector<int32_t> slots;
  std::vector<int32_t> ids;
  AttentionTerms terms;
};

void call(const AttentionBf16Kernel& kernel, const AttentionBf16Args& args,
          const AttentionWork& work, void* scratch) {
  kernel.run(args, work, scratch);
}

void call(const AttentionF32Kernel& kernel, const AttentionBf16Args& args,
          const AttentionWork& work, void* scratch) {
  AttentionArgs floats;
  floats.cu_seqlens = args.cu_seqlens;
  floats.sequences = args.sequences;
  floats.heads = args.heads;
  floats.kv_heads = args.kv_heads;
  floats.head_size = args.head_size;
  floats.scale = args.scale;
  floats.q = args.q.f32;
  floats.ldq = args.q.ld;
  floats.k = args.k.f32;
  floats.ldk = args.k.ld;
  floats.v = args.v.f32;
  floats.ldv = args.v.ld;
  floats.out = args.out;
  floats.ldo = args.ldo;
  floats.terms = args.terms;
  kernel.run(floats, work, scratch);
}

// Sequence by sequence, `rows_a_call` query rows at a time. `picked`: each call gets its first
// query as row 0 of its operands, as rows that were picked out of a batch have it.
template <typename Kernel>
Guarded<float> run(const Kernel& kernel, const Problem& problem, int64_t rows_a_call,
                   bool picked = false) {
  Guarded<float> out(problem.cu_seqlens.back() * problem.width);
  AttentionBf16Args args = problem.arguments();
  args.out = out.data();
  for (int64_t s = 0; s < args.sequences; ++s) {
    const int64_t length = problem.length(s);
    const size_t bytes = kernel.scratch_bytes(length, problem.head_size, problem.terms);
    Guarded<float> scratch(static_cast<int64_t>(bytes / sizeof(float)));
    for (int64_t row = 0; row < length; row += rows_a_call) {
      const int64_t end = std::min(length, row + rows_a_call);
      AttentionBf16Args one = args;
      AttentionWork work = {s, 0, kHeads, row, end};
      if (picked) {
        one.q.f32 += row * one.q.ld;
        one.out += row * one.ldo;
        work = {s, 0, kHeads, 0, end - row, row};
      }
      call(kernel, one, work, scratch.data());
    }
  }
  return out;
}

// As attention_f32_test.cc and attention_bf16_test.cc have it, with three products for a score and
// the bias; `p` is what a probability errs by beside its score.
double tolerance(const Problem& problem, double p) {
  int64_t longest = 0;
  for (int64_t s = 0; s < problem.sequences(); ++s) longest = std::max(longest, problem.length(s));
  const auto size = static_cast<double>(problem.head_size);
  const double score =
      3 * (size + 3) * kEps * size * kLimit * kLimit / std::sqrt(size) + 4 * kEps * kLimit;
  const int64_t whole_blocks = longest / 512;
  const double blocks = 1 + static_cast<double>(whole_blocks);
  return kLimit * (blocks * 2 * (2 * score + p) + (4 + 4 * static_cast<double>(longest)) * kEps);
}

template <typename Kernel, size_t kCount>
void expect_rows_agree(const KernelRow<Kernel> (&rows)[kCount], const Problem& problem, double p) {
  const Guarded<float> truth = run(*rows[kCount - 1].kernel, problem, 1 << 20);
  for (const auto& row : rows_here(rows)) {
    if (row.isa == Isa::kReference) continue;
    SCOPED_TRACE(::testing::Message() << row.kernel->name << " head_size=" << problem.head_size
                                      << " last=" << problem.cu_seqlens.back());
    const Guarded<float> out = run(*row.kernel, problem, 1 << 20);
    for (int64_t i = 0; i < out.size(); ++i) {
      ASSERT_NEAR(out[i], truth[i], tolerance(problem, p)) << i;
    }
    // Each call packs its keys anew, so that many rows are split into few calls.
    const int64_t rows_a_call = problem.cu_seqlens.back() / 130 * 50 + 1;
    EXPECT_TRUE(run(*row.kernel, problem, rows_a_call).same_bits(out));
    EXPECT_TRUE(run(*row.kernel, problem, 3 * rows_a_call + 2, true).same_bits(out));
  }
}

enum class Kind { kWidened, kPairs, kTiles };
Kind kind_of(Isa isa) {
  if (isa == Isa::kAmx) return Kind::kTiles;
  return isa == Isa::kAvx512Bf16 ? Kind::kPairs : Kind::kWidened;
}

class AttentionTermsTest : public ::testing::TestWithParam<Case> {
 protected:
  static void expect_agreement(const Problem& problem) {
    expect_rows_agree(kF32Rows, problem, 4 * kEps);
    // Relative error of exp2, and bf16's half unit for a probability that falls to the other side.
    expect_rows_agree(kBf16Rows, problem, 0x1p-12 + 0x1p-8);
    const std::vector<KernelRow<AttentionF32Kernel>> floats = rows_here(kF32Rows);
    const Guarded<float> first = run(*floats[0].kernel, problem, 1 << 20);
    for (const auto& row : floats) {
      if (row.isa == Isa::kReference) continue;
      EXPECT_TRUE(run(*row.kernel, problem, 1 << 20).same_bits(first)) << row.kernel->name;
    }
    for (const auto& row : rows_here(kBf16Rows)) {
      for (const auto& other : rows_here(kBf16Rows)) {
        if (row.isa == Isa::kReference || other.isa == Isa::kReference) continue;
        if (kind_of(row.isa) != kind_of(other.isa)) continue;
        EXPECT_TRUE(
            run(*row.kernel, problem, 1 << 20).same_bits(run(*other.kernel, problem, 1 << 20)));
      }
    }
  }
};

TEST_P(AttentionTermsTest, TileEdgesAndARaggedBatch) {
  for (const int32_t length : {1, 2, 5, 12, 13, 16, 17, 33, 49}) {
    expect_agreement(Problem(GetParam(), {0, length}, 16));
  }
  expect_agreement(Problem(GetParam(), {0, 40, 40, 41, 100}, 24));
}

TEST_P(AttentionTermsTest, HeadSizes) {
  for (const int64_t head_size : {1, 15, 32, 33, 64}) {
    expect_agreement(Problem(GetParam(), {0, 21}, head_size));
  }
}

// Keys come in blocks of 512; a window leaves out whole ones.
TEST_P(AttentionTermsTest, SeveralBlocksOfKeys) {
  expect_agreement(Problem(GetParam(), {0, 620}, 4));
}

// Rows whose sum of exp(score) no float holds are done again, with what is added.
TEST_P(AttentionTermsTest, RowsBeyondTheRangeOfExp) {
  Problem problem(GetParam(), {0, 70}, 16);
  for (int64_t i = 0; i < problem.q.size(); ++i) {
    if (i / problem.width % 3 == 0) problem.q[i] *= 200;
  }
  for (const auto& row : rows_here(kF32Rows)) {
    SCOPED_TRACE(row.kernel->name);
    const Guarded<float> truth = run(attention_f32_reference, problem, 1 << 20);
    const Guarded<float> out = run(*row.kernel, problem, 1 << 20);
    for (int64_t i = 0; i < out.size(); ++i) {
      ASSERT_NEAR(out[i], truth[i], 200 * tolerance(problem, 4 * kEps)) << i;
    }
    EXPECT_TRUE(run(*row.kernel, problem, 3).same_bits(out));
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, AttentionTermsTest, ::testing::ValuesIn(kCases),
                         [](const ::testing::TestParamInfo<Case>& which) {
                           std::string name = which.param.name;
                           for (char& c : name) {
                             if (c == ' ' || c == ',') c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace tamis::kernels
