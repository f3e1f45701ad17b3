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

// Of a value and a constant; a table is no number that it is held against.
int64_t below_numbers(const Known& known, const Known& numbers, std::span<const Probe> probes) {
  constexpr int64_t kMostNumbers = 16;
  if (count_of(numbers.dims()) > kMostNumbers) return kAnyTokens;
  int64_t least = kAnyTokens;
  const double in_short = greatest(known.at(kShort));
  const double in_long = greatest(known.at(kLong));
  for (const double number : *numbers.at(0).data) {
    if (!std::isfinite(number)) continue;
    least = std::min(least, tokens_below(std::abs(number), in_short, in_long, probes));
  }
  return least;
}

// Of an axis, up to a place in it.
int64_t below_place(std::span<const Dims> dims, size_t axis, double place,
                    std::span<const Probe> probes) {
  if (dims[kShort].size() != dims[kLong].size()) return kAnyTokens;
  return tokens_below(std::abs(place) + 1, static_cast<double>(dims[kShort][axis]),
                      static_cast<double>(dims[kLong][axis]), probes);
}

std::array<Dims, kProbes> dims_of(const Known& known) {
  std::array<Dims, kProbes> dims;
  for (size_t p = 0; p < kProbes; ++p) dims[p] = known.dims(p);
  return dims;
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

int64_t horizon_of_cuts(const Step& step, std::span<const Dims> dims,
                        std::span<const Probe> probes) {
  int64_t least = kAnyTokens;
  for (const size_t bound : {1, 2}) {
    if (!step.has(bound) || !step.known(bound).is_constant()) continue;
    const Array& places = step.known(bound).at(0);
    const bool named = step.has(3) && step.known(3).at(kLong).elements() > 0;
    for (int64_t i = 0; i < places.elements(); ++i) {
      const int64_t axis = named ? step.known(3).at(kLong).integers()[static_cast<size_t>(i)] : i;
      least =
          std::min(least, below_place(dims, axis_of(axis, dims[kLong].size()), places[i], probes));
    }
  }
  return least;
}

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
    const auto dims = dims_of(step.known(0));
    own = below_place(dims, dims[kLong].size() - 1, *step.known(1).scalar(), probes);
  } else if (type == "Slice" && varies(step, 0)) {
    own = horizon_of_cuts(step, dims_of(step.known(0)), probes);
  } else if ((type == "Slice" || type == "Gather") && !varies(step, 0)) {
    own = horizon_of_table(step.known(0), probes);
  }
  return std::min(least, own);
}

}  // namespace tamis::onnx
