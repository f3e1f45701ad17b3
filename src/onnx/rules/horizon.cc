#include "onnx/rules/horizon.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace tamis::onnx {

namespace {

constexpr size_t kShort = 0;
constexpr size_t kLong = kProbes - 1;

constexpr std::array<std::string_view, 12> kThresholds = {
    "Add", "Sub",     "Div",   "Mod", "Less", "LessOrEqual", "Min", "GreaterOrEqual",
    "Max", "Greater", "Equal", "Clip"};

bool varies(const Step& step, size_t i) {
  return step.has(i) && step.inputs[i].known != nullptr && !step.inputs[i].known->is_constant();
}

double greatest(const Array& array) {
  double most = 0;
  for (const double value : *array.data) {
    if (std::isfinite(value)) most = std::max(most, std::abs(value));
  }
  return most;
}

// Tokens up to which something that is `in_long` of the longest probe's, and grew evenly to that
// from `in_short`, stays below `end`.
int64_t tokens_below(double end, double in_short, double in_long, std::span<const Probe> probes) {
  const auto tokens = static_cast<double>(probes[kLong].sizes.tokens);
  const double grown = tokens - static_cast<double>(probes[kShort].sizes.tokens);
  if (!(end >= in_long) || !(in_long > in_short) || !(grown > 0)) return kAnyTokens;
  const double more = std::floor((end - 1 - in_long) * grown / (in_long - in_short));
  const double most = tokens + std::max(more, 0.0);
  constexpr auto kMost = static_cast<double>(int64_t{1} << 40);
  return most < kMost ? static_cast<int64_t>(most) : kAnyTokens;
}

int64_t below_numbers(const Known& known, const Known& numbers, std::span<const Probe> probes) {
  if (!numbers.is_constant() || count_of(numbers.dims()) > 16) return kAnyTokens;
  int64_t least = kAnyTokens;
  const double in_short = greatest(known.at(kShort));
  const double in_long = greatest(known.at(kLong));
  for (const double number : *numbers.at(0).data) {
    if (!std::isfinite(number)) continue;
    least = std::min(least, tokens_below(std::abs(number), in_short, in_long, probes));
  }
  return least;
}

// Of the axis that grows, up to a number of it.
int64_t below_place(const Known& known, size_t from_end, double place,
                    std::span<const Probe> probes) {
  const Dims of_short = known.dims(kShort);
  const Dims of_long = known.dims(kLong);
  if (of_long.size() < from_end || of_short.size() != of_long.size()) return kAnyTokens;
  const auto size = [&](const Dims& dims) {
    return static_cast<double>(dims[dims.size() - from_end]);
  };
  return tokens_below(std::abs(place) + 1, size(of_short), size(of_long), probes);
}

int64_t below_cuts(const Step& step, std::span<const Probe> probes) {
  const Known& data = step.known(0);
  int64_t least = kAnyTokens;
  for (const size_t bound : {1, 2}) {
    if (!step.has(bound) || !step.known(bound).is_constant()) continue;
    for (const double place : *step.known(bound).at(0).data) {
      for (size_t axis = 1; axis <= data.dims().size(); ++axis) {
        least = std::min(least, below_place(data, axis, place, probes));
      }
    }
  }
  return least;
}

// Whether each number of the last two axes is the one beside its diagonal that the probes show, for
// diagonals that they do not.
bool goes_on(const Array& table, int64_t n, int64_t shown) {
  for (int64_t first = 0; first < table.elements(); first += n * n) {
    for (int64_t row = 0; row < n; ++row) {
      for (int64_t column = 0; column < n; ++column) {
        const int64_t distance = std::clamp(column - row, 1 - shown, shown - 1);
        const int64_t like = distance < 0 ? -distance * n : distance;
        if (table[first + row * n + column] != table[first + like]) return false;
      }
    }
  }
  return true;
}

int64_t horizon_of_table(const Known& table, std::span<const Probe> probes) {
  const Dims dims = table.dims();
  const int64_t shown = probes[kLong].sizes.tokens;
  const size_t rank = dims.size();
  const bool pairs = rank >= 2 && dims[rank - 1] == dims[rank - 2] && dims[rank - 1] > shown;
  if (!pairs) return kAnyTokens;
  return goes_on(table.at(0), dims[rank - 1], shown) ? dims[rank - 1] : shown;
}

}  // namespace

int64_t horizon_of(const Step& step, std::span<const Probe> probes) {
  const std::string_view type = step.op.type();
  int64_t least = kAnyTokens;
  for (const ImportValue& input : step.inputs) {
    if (input.known != nullptr) least = std::min(least, input.known->holds_for());
  }
  int64_t own = kAnyTokens;
  if (std::ranges::find(kThresholds, type) != kThresholds.end()) {
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      for (size_t j = 0; j < step.inputs.size(); ++j) {
        if (!varies(step, i) || !step.has(j) || varies(step, j)) continue;
        own = std::min(own, below_numbers(step.known(i), step.known(j), probes));
      }
    }
  } else if (type == "Trilu" && varies(step, 0) && step.has(1) && step.known(1).scalar()) {
    own = below_place(step.known(0), 1, *step.known(1).scalar(), probes);
  } else if (type == "Slice" && varies(step, 0)) {
    own = below_cuts(step, probes);
  } else if ((type == "Slice" || type == "Gather") && !varies(step, 0)) {
    own = horizon_of_table(step.known(0), probes);
  }
  return std::min(least, own);
}

}  // namespace tamis::onnx
