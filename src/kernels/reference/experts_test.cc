// Routing and its sums, against values worked out by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/reference/reference.h"

namespace tamis::kernels {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// The routes of one row: probabilities, then experts.
std::vector<float> route(std::vector<float> logits, int64_t top_k) {
  std::vector<float> routes(static_cast<size_t>(2 * top_k), -1.0f);
  reference::route_tokens(
      {1, static_cast<int64_t>(logits.size()), top_k, logits.data(), routes.data()});
  return routes;
}

TEST(RouteTokens, NamesTheGreatestFromTheFirstExpertOn) {
  const double sum = std::exp(3.0) + std::exp(1.0) + std::exp(2.0) + std::exp(-1.0);
  const std::vector<float> routes = route({1, -1, 3, 2}, 2);
  EXPECT_FLOAT_EQ(routes[0], static_cast<float>(std::exp(3.0) / sum));
  EXPECT_FLOAT_EQ(routes[1], static_cast<float>(std::exp(2.0) / sum));
  EXPECT_EQ(routes[2], 2);
  EXPECT_EQ(routes[3], 3);
}

TEST(RouteTokens, OfEqualOnesTheFirst) {
  EXPECT_EQ(route({1, 1, 1, 1}, 2), (std::vector<float>{0.25f, 0.25f, 0, 1}));
  EXPECT_EQ(route({0, 7, 0, 7}, 1)[1], 1);
  // Equal in float32, whatever the logits were.
  EXPECT_EQ(route({200, 0, -1, 0.5f}, 2), (std::vector<float>{1, 0, 0, 1}));
}

TEST(RouteTokens, MayBeAllExperts) {
  EXPECT_EQ(route({0, 0, 0}, 3)[4], 1);
  EXPECT_EQ(route({5}, 1), (std::vector<float>{1, 0}));
}

TEST(RouteTokens, WhatIsNoNumberGoesToTheFirst) {
  for (const float bad : {kNan, std::numeric_limits<float>::infinity()}) {
    const std::vector<float> routes = route({0, bad, 1}, 2);
    EXPECT_TRUE(std::isnan(routes[0]) && std::isnan(routes[1]));
    EXPECT_EQ(routes[2], 0);
    EXPECT_EQ(routes[3], 1);
  }
}

TEST(ExpertOf, IsAlwaysAnExpert) {
  EXPECT_EQ(expert_of(0, 3), 0);
  EXPECT_EQ(expert_of(2, 3), 2);
  for (const float bad : {-1.0f, 3.0f, 1e30f, kNan}) EXPECT_EQ(expert_of(bad, 3), 0);
}

// Two experts of weights [1, 2]; of the second row the experts are 0 and 1.
TEST(ExpertMatMul, MultipliesEachRowWithItsExperts) {
  const std::vector<float> w = {1, 10, 100, 1000};
  const std::vector<float> routes = {0.5f, 0.25f, 1, 1, 0.5f, 0.25f, 0, 1};
  std::vector<float> y(4);
  ExpertMatMulArgs args;
  args.rows = 2;
  args.n = 1;
  args.k = 2;
  args.experts = 2;
  args.top_k = 2;
  args.w = w.data();
  args.routes = routes.data();
  args.y = y.data();
  const std::vector<float> x = {1, 2, 3, -4};
  args.x = x.data();
  args.activation = Activation::kRelu;
  reference::expert_matmul(args);
  EXPECT_EQ(y, (std::vector<float>{2100, 2100, 0, 0}));
  const std::vector<float> x_of_each = {1, 2, 3, 4, 5, 6, 7, 8};
  args.x = x_of_each.data();
  args.x_of_each = true;
  reference::expert_matmul(args);
  EXPECT_EQ(y, (std::vector<float>{2100, 4300, 65, 8700}));
}

TEST(CombineExperts, SumsTimesTheProbabilities) {
  const std::vector<float> x = {1, 2, 10, 20};
  const std::vector<float> routes = {0.5f, 0.25f, 0, 1};
  std::vector<float> y(2);
  reference::combine_experts({1, 2, 2, x.data(), routes.data(), y.data()});
  EXPECT_EQ(y, (std::vector<float>{3, 6}));
}

}  // namespace
}  // namespace tamis::kernels
