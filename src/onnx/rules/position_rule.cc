#include "onnx/rules/position_rule.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "kernels/reference/position_buckets.h"

namespace tamis::onnx {

using kernels::reference::deberta_slot;
using kernels::reference::DebertaSlots;

namespace {

// Where log buckets end in the checkpoints that are out; any other number up to kMostPositions may
// be what a file follows.
constexpr int64_t kUsual[] = {512, 1024, 256};
constexpr int64_t kMostPositions = 4096;
// Where all of them have ended.
constexpr int64_t kMostDistance = 2 * kMostPositions;

// What ids hold at each distance, the row's index less the column's; index 0 is 1 - tokens.
struct ByDistance {
  int64_t tokens = 0;
  std::vector<int64_t> ids;

  [[nodiscard]] int64_t at(int64_t distance) const {
    return ids[static_cast<size_t>(distance + tokens - 1)];
  }
};

// Nothing: ids of one distance differ, or have another shape.
std::optional<ByDistance> by_distance(const Array& array, const Probe& probe) {
  const int64_t n = probe.sizes.tokens;
  const size_t rank = array.dims.size();
  if (rank < 2 || array.dims[rank - 1] != n || array.dims[rank - 2] != n) return std::nullopt;
  ByDistance result{n, std::vector<int64_t>(static_cast<size_t>(2 * n - 1))};
  const std::vector<int64_t> ids = array.integers();
  if (ids.empty()) return std::nullopt;
  for (int64_t i = 0; i < n; ++i) {
    result.ids[static_cast<size_t>(n - 1 - i)] = ids[static_cast<size_t>(i)];
    result.ids[static_cast<size_t>(n - 1 + i)] = ids[static_cast<size_t>(i * n)];
  }
  for (size_t at = 0; at < ids.size(); ++at) {
    const auto place = static_cast<int64_t>(at);
    const bool whole = array[place] == static_cast<double>(ids[at]);
    if (!whole || ids[at] != result.at(place / n % n - place % n)) return std::nullopt;
  }
  return result;
}

// Whether a logarithm falls on a bucket's edge, where rounding in float32 decides: exporters write
// the same constant with another last digit.
bool is_at_edge(int64_t distance, const DebertaSlots& slots) {
  if (slots.buckets == 0) return false;
  const double middle = static_cast<double>(slots.buckets) / 2;
  const double far = std::abs(static_cast<double>(distance)) / middle;
  const double end = static_cast<double>(slots.max_positions - 1) / middle;
  const double place = std::log(far) / std::log(end) * (middle - 1);
  return far > 1 && std::abs(place - std::round(place)) < 1e-5 * (1 + place);
}

// Whether the rows follow `slots`; sign 1: rows are queries, -1: keys.
bool follows(const ByDistance& ids, const DebertaSlots& slots, int64_t sign) {
  for (int64_t distance = 1 - ids.tokens; distance < ids.tokens; ++distance) {
    const int64_t off = std::abs(ids.at(distance) - deberta_slot(-sign * distance, slots));
    if (off > 1 || (off == 1 && !is_at_edge(distance, slots))) return false;
  }
  return true;
}

// Whether two rules agree beyond what the probes tell as well.
bool agree(const DebertaSlots& a, const DebertaSlots& b) {
  for (int64_t distance = 1; distance <= kMostDistance; ++distance) {
    if (deberta_slot(distance, a) != deberta_slot(distance, b) ||
        deberta_slot(-distance, a) != deberta_slot(-distance, b)) {
      return false;
    }
  }
  return true;
}

bool all_follow(std::span<const ByDistance> probes, const PlaceRows& rows, DebertaSlots slots,
                int64_t sign) {
  return std::ranges::all_of(probes, [&](const ByDistance& ids) {
    DebertaSlots own = slots;
    if (rows.centered) own.max_positions = std::min(ids.tokens, slots.max_positions);
    return follows(ids, own, sign);
  });
}

std::optional<PositionRule> with_buckets(std::span<const ByDistance> probes, const PlaceRows& rows,
                                         int64_t sign) {
  const int64_t buckets = rows.count / 2;
  if (rows.centered || buckets < 4 || buckets % 2 != 0) return std::nullopt;
  std::vector<int64_t> candidates(std::begin(kUsual), std::end(kUsual));
  for (int64_t most = buckets / 2 + 2; most <= kMostPositions; ++most) candidates.push_back(most);
  std::optional<PositionRule> rule;
  for (const int64_t most : candidates) {
    if (most < buckets / 2 + 2 || !all_follow(probes, rows, {buckets, most}, sign)) continue;
    if (!rule) {
      rule = PositionRule{buckets, most, sign > 0, true};
    } else if (!agree({buckets, rule->max_positions}, {buckets, most})) {
      rule->is_certain = false;
      return rule;
    }
  }
  return rule;
}

bool follows(const ByDistance& ids, const DistanceRows& rows) {
  for (int64_t distance = 1 - ids.tokens; distance < ids.tokens; ++distance) {
    if (ids.at(distance) != rows.middle + (rows.rising ? distance : -distance)) return false;
  }
  return true;
}

// Of ids [tokens, tokens] in each probe; none if they have other axes or depend on more.
std::vector<ByDistance> square_tables(std::span<const Array> ids, std::span<const Probe> probes) {
  std::vector<ByDistance> tables;
  for (size_t p = 0; p < ids.size(); ++p) {
    const auto table = ids[p].dims.size() == 2 ? by_distance(ids[p], probes[p]) : std::nullopt;
    if (!table) return {};
    tables.push_back(*table);
  }
  return tables;
}

}  // namespace

std::optional<IdsByDistance> ids_by_distance(std::span<const Array> ids,
                                             std::span<const Probe> probes) {
  const std::vector<ByDistance> tables = square_tables(ids, probes);
  if (tables.empty()) return std::nullopt;
  const ByDistance& longest = *std::ranges::max_element(tables, {}, &ByDistance::tokens);
  for (const ByDistance& table : tables) {
    for (int64_t distance = 1 - table.tokens; distance < table.tokens; ++distance) {
      if (table.at(distance) != longest.at(distance)) return std::nullopt;
    }
  }
  return IdsByDistance{longest.tokens - 1, {longest.ids.rbegin(), longest.ids.rend()}};
}

std::optional<DistanceRows> distance_rows(std::span<const Array> ids,
                                          std::span<const Probe> probes) {
  const std::vector<ByDistance> tables = square_tables(ids, probes);
  if (tables.empty()) return std::nullopt;
  for (const bool rising : {true, false}) {
    const DistanceRows rows = {tables[0].at(0), rising};
    if (std::ranges::all_of(tables, [&](const ByDistance& each) { return follows(each, rows); })) {
      return rows;
    }
  }
  return std::nullopt;
}

std::optional<PositionRule> position_rule(std::span<const Array> ids, std::span<const Probe> probes,
                                          const PlaceRows& rows) {
  if (rows.count < 2 || rows.count % 2 != 0) return std::nullopt;
  std::vector<ByDistance> tables;
  for (size_t p = 0; p < ids.size(); ++p) {
    const auto table = by_distance(ids[p], probes[p]);
    if (!table) return std::nullopt;
    tables.push_back(*table);
  }
  for (const int64_t sign : {1, -1}) {
    if (all_follow(tables, rows, {0, rows.count / 2}, sign)) {
      return PositionRule{0, rows.count / 2, sign > 0, true};
    }
    if (const auto rule = with_buckets(tables, rows, sign)) return rule;
  }
  return std::nullopt;
}

}  // namespace tamis::onnx
