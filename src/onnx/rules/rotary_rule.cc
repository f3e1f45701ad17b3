#include "onnx/rules/rotary_rule.h"

#include <cmath>

namespace tamis::onnx {

namespace {

// Angles are float32 products of places up to 511, which rounds them by 3e-5.
constexpr double kTolerance = 2e-4;

// [tokens, size] of an array whose leading axes hold one copy or one a sequence, all alike.
struct Table {
  const Array* array = nullptr;
  int64_t tokens = 0;
  int64_t size = 0;
  int64_t copies = 0;

  [[nodiscard]] double at(int64_t copy, int64_t place, int64_t column) const {
    return (*array)[(copy * tokens + place) * size + column];
  }
};

std::optional<Table> table_of(const Array& array, const Probe& probe) {
  const size_t rank = array.dims.size();
  if (rank < 2 || array.dims[rank - 2] != probe.sizes.tokens) return std::nullopt;
  Table table{&array, probe.sizes.tokens, array.dims[rank - 1], 0};
  if (table.size < 2 || table.size % 2 != 0 || array.elements() == 0) return std::nullopt;
  table.copies = array.elements() / (table.tokens * table.size);
  return table;
}

// The angle of one place; each step doubles the place, and with it the digits that are known.
double frequency_of(const Table& cosines, const Table& sines, int64_t column) {
  const auto angle = [&](int64_t place) {
    return std::atan2(sines.at(0, place, column), cosines.at(0, place, column));
  };
  double frequency = angle(1);
  if (frequency < 0) frequency += 2 * M_PI;
  for (int64_t place = 2; place < cosines.tokens; place *= 2) {
    const double expected = frequency * static_cast<double>(place);
    const double off = std::remainder(angle(place) - expected, 2 * M_PI);
    frequency = (expected + off) / static_cast<double>(place);
  }
  return frequency;
}

// The pair that a column is of, of as many.
int64_t pair_of(int64_t column, int64_t count, RotaryPairs pairs) {
  return pairs == RotaryPairs::kNeighbors ? column / 2 : column % count;
}

bool follows(const Table& cosines, const Table& sines, const RotaryRule& rule, RotaryPairs by) {
  const auto pairs = static_cast<int64_t>(rule.frequencies.size());
  if (cosines.size != 2 * pairs || sines.size != cosines.size) return false;
  for (int64_t copy = 0; copy < cosines.copies; ++copy) {
    for (int64_t place = 0; place < cosines.tokens; ++place) {
      for (int64_t column = 0; column < cosines.size; ++column) {
        const double frequency = rule.frequencies[static_cast<size_t>(pair_of(column, pairs, by))];
        const double angle = frequency * static_cast<double>(place);
        const double scale = rule.scale;
        const double off = std::abs(cosines.at(copy, place, column) - scale * std::cos(angle)) +
                           std::abs(sines.at(copy, place, column) - scale * std::sin(angle));
        if (!(off <= kTolerance * scale)) return false;
      }
    }
  }
  return true;
}

}  // namespace

std::optional<RotaryRule> rotary_rule(std::span<const Array> cosines, std::span<const Array> sines,
                                      std::span<const Probe> probes, RotaryPairs pairs) {
  std::vector<std::pair<Table, Table>> tables;
  for (size_t p = 0; p < cosines.size(); ++p) {
    const auto c = table_of(cosines[p], probes[p]);
    const auto s = table_of(sines[p], probes[p]);
    if (!c || !s || c->copies != s->copies || c->size != s->size) return std::nullopt;
    tables.emplace_back(*c, *s);
  }
  // The last probe is the longest.
  const auto& [c, s] = tables.back();
  RotaryRule rule;
  rule.scale = static_cast<float>(c.at(0, 0, 0));
  if (!(rule.scale > 0) || c.tokens < 2) return std::nullopt;
  const int64_t apart = pairs == RotaryPairs::kNeighbors ? 2 : 1;
  for (int64_t pair = 0; pair < c.size / 2; ++pair) {
    rule.frequencies.push_back(static_cast<float>(frequency_of(c, s, pair * apart)));
  }
  for (const auto& [cosine, sine] : tables) {
    if (!follows(cosine, sine, rule, pairs)) return std::nullopt;
  }
  return rule;
}

}  // namespace tamis::onnx
