#include "onnx/rules/position_rule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace tamis::onnx {
namespace {

// What exporters write of make_log_bucket_position and its clamp, for a row's place less a
// column's.
double bucket_of(int64_t distance, int64_t buckets, int64_t most) {
  const double middle = static_cast<double>(buckets) / 2;
  const auto far = static_cast<double>(std::abs(distance));
  if (far <= middle) return static_cast<double>(distance);
  const double steps = std::ceil(std::log(far / middle) /
                                 std::log(static_cast<double>(most - 1) / middle) * (middle - 1));
  return (distance < 0 ? -1 : 1) * (steps + middle);
}

// Ids [1, n, n] in each probe by f(row - column, tokens).
template <typename F>
std::vector<Array> ids_by(std::span<const Probe> probes, F f) {
  std::vector<Array> ids;
  for (const Probe& probe : probes) {
    const int64_t n = probe.sizes.tokens;
    std::vector<double> values;
    for (int64_t i = 0; i < n * n; ++i) values.push_back(f(i / n - i % n, n));
    ids.push_back(make_array({1, n, n}, ElementType::kInt64, std::move(values)));
  }
  return ids;
}

TEST(PositionRule, TellsBucketsAndWhereTheyEnd) {
  const auto probes = make_probes(512);
  for (const int64_t most : {512, 700}) {
    for (const int64_t sign : {1, -1}) {
      const auto ids = ids_by(probes, [&](int64_t distance, int64_t) {
        return std::clamp(bucket_of(sign * distance, 256, most) + 256, 0.0, 511.0);
      });
      const auto rule = position_rule(ids, probes, {512, false});
      ASSERT_TRUE(rule) << most;
      EXPECT_EQ(rule->buckets, 256);
      EXPECT_EQ(rule->max_positions, most);
      EXPECT_EQ(rule->of_queries, sign == 1);
      EXPECT_TRUE(rule->is_certain);
    }
  }
}

// Ids [n, n].
std::vector<Array> rows_by(std::span<const Probe> probes, int64_t (*row)(int64_t)) {
  std::vector<Array> ids = ids_by(
      probes, [row](int64_t distance, int64_t) { return static_cast<double>(row(distance)); });
  for (Array& array : ids) array.dims.erase(array.dims.begin());
  return ids;
}

TEST(PositionRule, TellsRowsThatEachDistanceHasForItself) {
  const auto probes = make_probes(40);
  const auto rising = distance_rows(rows_by(probes, [](int64_t d) { return 39 + d; }), probes);
  ASSERT_TRUE(rising);
  EXPECT_EQ(rising->middle, 39);
  EXPECT_TRUE(rising->rising);
  const auto falling = distance_rows(rows_by(probes, [](int64_t d) { return 7 - d; }), probes);
  ASSERT_TRUE(falling);
  EXPECT_EQ(falling->middle, 7);
  EXPECT_FALSE(falling->rising);
  EXPECT_FALSE(distance_rows(rows_by(probes, [](int64_t d) { return 39 + std::abs(d); }), probes));
  EXPECT_FALSE(distance_rows(rows_by(probes, [](int64_t d) { return 39 + 2 * d; }), probes));
  EXPECT_FALSE(distance_rows(
      rows_by(probes, [](int64_t d) { return 39 + std::clamp<int64_t>(d, -30, 30); }), probes));
  EXPECT_FALSE(distance_rows(rows_by(probes, [](int64_t) { return int64_t{39}; }), probes));
}

TEST(PositionRule, TellsIdsOfDistancesAlone) {
  const auto probes = make_probes(40);
  const auto rule =
      ids_by_distance(rows_by(probes, [](int64_t d) { return d < 3 ? 0 : d; }), probes);
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->reach, 39);
  ASSERT_EQ(rule->ids.size(), 79U);
  // The column's index less the row's.
  EXPECT_EQ(rule->ids[0], 39);
  EXPECT_EQ(rule->ids[78], 0);
  auto ids = rows_by(probes, [](int64_t d) { return d; });
  std::vector<double> values = *ids[1].data;
  values[1] += 1;
  ids[1] = make_array(ids[1].dims, ids[1].type, std::move(values));
  EXPECT_FALSE(ids_by_distance(ids, probes));
}

TEST(PositionRule, SaysWhereTheProbesDoNotTell) {
  const auto probes = make_probes(12);
  const auto ids = ids_by(probes, [](int64_t distance, int64_t) {
    return std::clamp(bucket_of(distance, 8, 1000) + 8, 0.0, 15.0);
  });
  const auto rule = position_rule(ids, probes, {16, false});
  ASSERT_TRUE(rule);
  EXPECT_FALSE(rule->is_certain);
}

TEST(PositionRule, TellsARowForEachDistance) {
  const auto probes = make_probes(40);
  const auto all = ids_by(probes, [](int64_t distance, int64_t) {
    return static_cast<double>(std::clamp<int64_t>(distance + 16, 0, 31));
  });
  const auto rule = position_rule(all, probes, {32, false});
  ASSERT_TRUE(rule);
  EXPECT_EQ(rule->buckets, 0);
  EXPECT_EQ(rule->max_positions, 16);
  // Rows around the middle of a table of 80, as many as there are tokens.
  const auto cut =
      ids_by(probes, [](int64_t distance, int64_t n) { return static_cast<double>(distance + n); });
  const auto centered = position_rule(cut, probes, {80, true});
  ASSERT_TRUE(centered);
  EXPECT_EQ(centered->max_positions, 40);
  EXPECT_FALSE(position_rule(cut, probes, {80, false}));
}

TEST(PositionRule, RefusesIdsThatAreNotOfDistances) {
  const auto probes = make_probes(16);
  auto ids = ids_by(probes, [](int64_t distance, int64_t) {
    return static_cast<double>(std::clamp<int64_t>(distance + 16, 0, 31));
  });
  ASSERT_TRUE(position_rule(ids, probes, {32, false}));
  std::vector<double> other = *ids[1].data;
  other[7] += 1;
  ids[1] = make_array(ids[1].dims, ElementType::kInt64, other);
  EXPECT_FALSE(position_rule(ids, probes, {32, false}));
  ids[1] = make_array({25}, ElementType::kInt64, other);
  EXPECT_FALSE(position_rule(ids, probes, {32, false}));
  EXPECT_FALSE(position_rule({}, probes, {31, false}));
}

}  // namespace
}  // namespace tamis::onnx
