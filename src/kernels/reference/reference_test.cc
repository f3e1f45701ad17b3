// The oracle itself, against values worked out by hand.
#include "kernels/reference/reference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/reference/global_tokens.h"

namespace tamis::kernels {
namespace {

// transformers.activations.ACT2FN on float64 tensors of 1 and -2.
TEST(ReferenceActivate, EqualsTorch) {
  struct Row {
    Activation activation;
    double at_1;
    double at_minus_2;
  };
  const Row rows[] = {
      {Activation::kNone, 1, -2},
      {Activation::kGelu, 0.841344746068543, -0.04550026389635842},
      {Activation::kGeluTanh, 0.8411919906082768, -0.04540230591222494},
      {Activation::kQuickGelu, 0.8457957659328212, -0.06434137685579186},
      {Activation::kRelu, 1, 0},
      {Activation::kRelu2, 1, 0},
      {Activation::kSilu, 0.7310585786300049, -0.2384058440442351},
      {Activation::kMish, 0.8650983882673103, -0.2525014826957089},
      {Activation::kTanh, 0.7615941559557649, -0.9640275800758169},
      {Activation::kSigmoid, 0.7310585786300049, 0.11920292202211755},
      {Activation::kRelu6, 1, 0},
      {Activation::kLeakyRelu, 1, -0.02},
      {Activation::kGelu10, 0.841344746068543, -0.04550026389635842},
      {Activation::kLaplace, 0.8504296492845703, 4.137773506390134e-22},
      {Activation::kHardSwish, 0.6666666666666666, -0.3333333333333333},
      {Activation::kSqrtSoftplus, 1.145976303209723, 0.3562695763645452},
  };
  for (const Row& row : rows) {
    EXPECT_NEAR(reference::activate(row.activation, 1.0), row.at_1, 1e-9)
        << activation_name(row.activation);
    EXPECT_NEAR(reference::activate(row.activation, -2.0), row.at_minus_2, 1e-9)
        << activation_name(row.activation);
  }
  EXPECT_EQ(reference::activate(Activation::kRelu6, 6.5), 6);
  EXPECT_EQ(reference::activate(Activation::kGelu10, 10.5), 10);
}

TEST(ReferenceGlobalTokens, FollowTheIds) {
  const std::vector<int32_t> ids = {0, 5, 6, 2, 2, 8, 9, 2};
  const auto range = [&](GlobalRule rule, int64_t count) {
    const auto found = reference::global_tokens(rule, 2, ids.data(), count);
    return std::pair(found.begin, found.end);
  };
  using Range = std::pair<int64_t, int64_t>;
  EXPECT_EQ(range(GlobalRule::kNone, 8), (Range{0, 0}));
  EXPECT_EQ(range(GlobalRule::kFirst, 8), (Range{0, 1}));
  EXPECT_EQ(range(GlobalRule::kFirst, 0), (Range{0, 0}));
  EXPECT_EQ(range(GlobalRule::kBeforeSeparator, 8), (Range{0, 3}));
  EXPECT_EQ(range(GlobalRule::kBeforeSeparator, 3), (Range{0, 0}));
  EXPECT_EQ(range(GlobalRule::kBehindSeparator, 8), (Range{5, 8}));
  EXPECT_EQ(range(GlobalRule::kBehindSeparator, 4), (Range{4, 4}));
  EXPECT_EQ(range(GlobalRule::kThroughSeparator, 8), (Range{0, 4}));
  EXPECT_EQ(range(GlobalRule::kThroughSeparator, 3), (Range{0, 1}));
}

TEST(ReferenceTokenDropout, CountsTheMasksOfEachSequence) {
  const std::vector<int32_t> ids = {0, 9, 5, 9, 0, 5, 9};
  const std::vector<int32_t> borders = {0, 4, 6, 6, 7};
  std::vector<float> factors(7);
  reference::token_dropout(ids, borders, 9, 0.88f, factors);
  const std::vector<float> expected = {1.76f, 0, 1.76f, 0, 0.88f, 0.88f};
  EXPECT_EQ(std::vector<float>(factors.begin(), factors.end() - 1), expected);
  EXPECT_TRUE(std::isnan(factors[6]));  // nothing but masks
}

TEST(ReferenceMatMul, AddsBiasActivatesAndAddsResidual) {
  const std::vector<float> x = {1, 2, 3, 4};         // [2, 2]
  const std::vector<float> w = {1, 0, 0, -1, 1, 1};  // [3, 2]
  const std::vector<float> bias = {10, 0, -8};
  const std::vector<float> residual = {100, 100, 100, 200, 200, 200};
  std::vector<float> y(6);
  reference::MatMulArgs args;
  args.m = 2;
  args.n = 3;
  args.k = 2;
  args.x = x.data();
  args.ldx = 2;
  args.w = w.data();
  args.ldw = 2;
  args.bias = bias.data();
  args.activation = Activation::kRelu;
  args.residual = residual.data();
  args.ldr = 3;
  args.y = y.data();
  args.ldy = 3;
  reference::matmul(args);
  EXPECT_EQ(y, (std::vector<float>{111, 100, 100, 213, 200, 200}));
}

TEST(ReferenceLayerNorm, NormalizesTheSum) {
  const std::vector<float> x = {1, 2, 3, 4};
  const std::vector<float> residual = {0, 0, 0, 4};
  const std::vector<float> gamma = {1, 1, 2, 1};
  const std::vector<float> beta = {0, 0, 0, 5};
  std::vector<float> y(4);
  std::vector<float> sum(4);
  LayerNormArgs args;
  args.rows = 1;
  args.width = 4;
  args.x = x.data();
  args.residual = residual.data();
  args.gamma = gamma.data();
  args.beta = beta.data();
  args.eps = 0;
  args.y = y.data();
  args.sum = sum.data();
  reference::layer_norm(args);
  EXPECT_EQ(sum, (std::vector<float>{1, 2, 3, 8}));
  const double deviation = std::sqrt((6.25 + 2.25 + 0.25 + 20.25) / 4);  // mean 3.5
  EXPECT_FLOAT_EQ(y[0], static_cast<float>(-2.5 / deviation));
  EXPECT_FLOAT_EQ(y[2], static_cast<float>(-1.0 / deviation));
  EXPECT_FLOAT_EQ(y[3], static_cast<float>(4.5 / deviation + 5));
}

TEST(ReferenceEmbedding, AddsRowsOfThreeTables) {
  const std::vector<float> words = {1, 2, 3, 4, 5, 6};
  const std::vector<float> positions = {10, 20, 30, 40};
  const std::vector<float> types = {100, 200};
  const std::vector<int32_t> ids = {2, 0};
  const std::vector<int32_t> places = {0, 1};
  std::vector<float> y(4);
  EmbeddingArgs args;
  args.tokens = 2;
  args.width = 2;
  args.tables[0] = {words.data(), ids.data()};
  args.tables[1] = {types.data(), nullptr};
  args.tables[2] = {positions.data(), places.data()};
  args.y = y.data();
  args.ldy = 2;
  reference::embedding(args);
  EXPECT_EQ(y, (std::vector<float>{115, 226, 131, 242}));
}

TEST(ReferencePositionIds, CountsWithinEachSequence) {
  const std::vector<int32_t> cu_seqlens = {0, 3, 3, 5};
  std::vector<int32_t> out(5);
  reference::position_ids(cu_seqlens, out);
  EXPECT_EQ(out, (std::vector<int32_t>{0, 1, 2, 0, 1}));
  const std::vector<int32_t> ids = {0, 1, 7, 1, 9};  // 1 is padding
  reference::position_ids_roberta(ids, cu_seqlens, 1, out);
  EXPECT_EQ(out, (std::vector<int32_t>{2, 1, 3, 1, 2}));
}

TEST(ReferenceShiftIds, MovesEachSequenceByOne) {
  const std::vector<int32_t> cu_seqlens = {0, 3, 3, 4, 8};
  const std::vector<int32_t> ids = {5, 6, 7, 8, 9, 1, 4, 1};  // 1 is padding
  std::vector<int32_t> out(8);
  reference::shift_ids(ids, cu_seqlens, 2, -1, out);
  EXPECT_EQ(out, (std::vector<int32_t>{2, 5, 6, 2, 2, 9, 1, 4}));
  // Of mBART: place 1 of the last sequence, of whose ids two are no padding.
  reference::shift_ids(ids, cu_seqlens, -1, 1, out);
  EXPECT_EQ(out, (std::vector<int32_t>{7, 5, 6, 8, 1, 9, 1, 4}));
  const std::vector<int32_t> only_padding = {1, 1};
  out.resize(2);
  reference::shift_ids(only_padding, std::vector<int32_t>{0, 2}, -1, 1, out);
  EXPECT_EQ(out, only_padding);
}

TEST(ReferenceShiftIds, LastPlaceIsThatOfTheTokenOrTheLast) {
  const std::vector<int32_t> ids = {2, 5, 2, 6, 2};
  EXPECT_EQ(reference::last_place_of(ids, 0, 4, 2, -1), 2);
  EXPECT_EQ(reference::last_place_of(ids, 1, 2, 2, -1), 1);
  EXPECT_EQ(reference::last_place_of(ids, 3, 3, 2, -1), -1);
}

TEST(ReferenceShiftIds, LastPlaceIsThatOfNoPaddingOrTheFirst) {
  const std::vector<int32_t> ids = {2, 5, 2, 2, 2};
  EXPECT_EQ(reference::last_place_of(ids, 0, 4, -1, 2), 1);
  EXPECT_EQ(reference::last_place_of(ids, 2, 5, -1, 2), 2);
  EXPECT_EQ(reference::last_place_of(ids, 0, 5, -1, 7), 4);
  EXPECT_EQ(reference::last_place_of(ids, 3, 3, -1, 2), -1);
}

TEST(ReferenceAttention, PartsEqualTheWhole) {
  const std::vector<int32_t> cu_seqlens = {0, 2, 2, 5};
  constexpr int64_t kHeads = 2;
  constexpr int64_t kHeadSize = 3;
  constexpr int64_t kWidth = kHeads * kHeadSize;
  std::vector<float> qkv(static_cast<size_t>(5 * 3 * kWidth));
  for (size_t i = 0; i < qkv.size(); ++i) {
    qkv[i] = std::sin(static_cast<float>(i) * 1.7f);
  }
  std::vector<float> whole(static_cast<size_t>(5 * kWidth));
  AttentionArgs args;
  args.cu_seqlens = cu_seqlens.data();
  args.sequences = 3;
  args.heads = kHeads;
  args.head_size = kHeadSize;
  args.scale = 0.5f;
  args.q = qkv.data();
  args.k = qkv.data() + kWidth;
  args.v = qkv.data() + 2 * kWidth;
  args.ldq = args.ldk = args.ldv = 3 * kWidth;
  args.out = whole.data();
  args.ldo = kWidth;
  reference::attention(args);

  ASSERT_EQ(reference::attention_pairs(cu_seqlens.data(), 3), 4 + 9);
  std::vector<float> scores(static_cast<size_t>(kHeads) * 13);
  std::vector<float> parts(whole.size());
  reference::attention_scores(args, scores.data());
  reference::attention_softmax(args, scores.data(), scores.data());
  args.out = parts.data();
  reference::attention_context(args, scores.data());
  for (size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(parts[i], whole[i], 1e-6f) << i;
  for (int64_t head = 0; head < kHeads; ++head) {  // a row of one key would be that key's value
    float sum = 0;
    for (size_t j = 0; j < 3; ++j) sum += scores[static_cast<size_t>(head) * 13 + 4 + j];
    EXPECT_NEAR(sum, 1, 1e-6f);
  }
}

TEST(ReferencePooling, EveryKind) {
  const std::vector<int32_t> cu_seqlens = {0, 3, 3};
  const std::vector<float> x = {1, -5, 2, -1, 6, -3};  // [3, 2]
  struct Row {
    Pooling kind;
    float first;
    float second;
  };
  const Row rows[] = {
      {Pooling::kCls, 1, -5},
      {Pooling::kMean, 3, -3},
      {Pooling::kMax, 6, -1},
      {Pooling::kMeanSqrtLen, 9 / std::sqrt(3.0f), -9 / std::sqrt(3.0f)},
      {Pooling::kWeightedMean, 23.0f / 6, -16.0f / 6},
      {Pooling::kLastToken, 6, -3},
  };
  for (const Row& row : rows) {
    std::vector<float> y(4, 7.0f);
    PoolingArgs args;
    args.kind = row.kind;
    args.cu_seqlens = cu_seqlens.data();
    args.sequences = 2;
    args.width = 2;
    args.x = x.data();
    args.ldx = 2;
    args.y = y.data();
    args.ldy = 2;
    reference::pooling(args);
    EXPECT_FLOAT_EQ(y[0], row.first);
    EXPECT_FLOAT_EQ(y[1], row.second);
    EXPECT_EQ(y[2], 0);  // no tokens
    EXPECT_EQ(y[3], 0);
  }
}

}  // namespace
}  // namespace tamis::kernels
