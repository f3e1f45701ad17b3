#include "onnx/probe.h"

#include <algorithm>

namespace tamis::onnx {

namespace {

// 7 and 10 have no common factor: every digit comes up, in another order in each row.
int64_t digit_at(int64_t sequence, int64_t token) { return (7 * token + 3 * sequence + 4) % 10; }

// `digits`: of each sequence's tokens.
Probe make_probe(std::span<const int64_t> lengths, int64_t tokens, int64_t ninth,
                 int64_t (*digits)(int64_t, int64_t)) {
  const auto sequences = static_cast<int64_t>(lengths.size());
  std::vector<double> ids;
  std::vector<double> mask;
  std::vector<double> types;
  for (int64_t b = 0; b < sequences; ++b) {
    for (int64_t i = 0; i < tokens; ++i) {
      const int64_t digit = digits(b, i);
      ids.push_back(static_cast<double>(digit == 9 ? ninth : digit));
      mask.push_back(i < lengths[static_cast<size_t>(b)] ? 1 : 0);
      types.push_back(static_cast<double>((i * i + b + i / 3) % 2));
    }
  }
  const auto array = [&](std::vector<double> values) {
    return make_array({sequences, tokens}, ElementType::kInt64, std::move(values));
  };
  return {
      {sequences, tokens}, array(std::move(ids)), array(std::move(mask)), array(std::move(types))};
}

constexpr int64_t kEndTokens = 5;

// Each digit d alone, twice at the end, and once between others and at the end, as d + 1 and d + 2
// are.
int64_t digit_at_end(int64_t sequence, int64_t token) {
  constexpr int64_t kPlus[][kEndTokens] = {{0, 0, 0, 0, 0}, {1, 2, 0, 0, 1}, {1, 0, 2, 0, 1}};
  return (sequence / 3 + kPlus[sequence % 3][token]) % 10;
}

// The last token of two in three sequences is padding, which has another id than the one before.
Probe make_ends(int64_t ninth) {
  std::vector<int64_t> lengths;
  for (int64_t b = 0; b < 30; ++b) lengths.push_back(b % 3 == 0 ? kEndTokens : kEndTokens - 1);
  return make_probe(lengths, kEndTokens, ninth, digit_at_end);
}

// The id three times in each sequence, if it has so many tokens: at two places side by side and at
// the end. Digits that are the id elsewhere become the next.
void place_thrice(Probe& probe, int64_t id) {
  const int64_t tokens = probe.sizes.tokens;
  std::vector<double> ids = *probe.input_ids.data;
  for (double& value : ids) {
    if (value == static_cast<double>(id)) value = static_cast<double>((id + 1) % 10);
  }
  for (int64_t b = 0; b < probe.sizes.sequences; ++b) {
    const auto count = std::max<int64_t>(static_cast<int64_t>(probe.count_tokens(b)), 3);
    const int64_t first = count == 3 ? 0 : (3 * b + count / 2) % (count - 3);
    for (const int64_t place : {first, first + 1, count - 1}) {
      ids[static_cast<size_t>(b * tokens + place)] = static_cast<double>(id);
    }
  }
  probe.input_ids = make_array(probe.input_ids.dims, ElementType::kInt64, std::move(ids));
}

std::array<Probe, kProbes> make_windows(const ProbePlan& plan, int64_t ninth) {
  // The least multiple that the short sequences fit into.
  const int64_t few =
      (std::max<int64_t>(plan.window, 8) + plan.window - 1) / plan.window * plan.window;
  const int64_t more = plan.one_window ? few : 2 * few;
  const auto made = [&](std::span<const int64_t> lengths, int64_t tokens) {
    Probe probe = make_probe(lengths, tokens, ninth, digit_at);
    if (plan.thrice >= 0) place_thrice(probe, plan.thrice);
    return probe;
  };
  const Probe first = made(std::array<int64_t, 2>{7, 4}, few);
  const Probe second = made(std::array<int64_t, 3>{more, 5, 2}, more);
  if (plan.one_window) return {first, second, first, second};
  return {first, second, first, made(std::array<int64_t, 1>{3 * few}, 3 * few)};
}

// The long sequence, and where there are late ids a second one.
Probe make_long(const ProbePlan& plan, int64_t ninth) {
  const std::vector<int64_t> lengths(plan.late.size() < 2 ? 1 : 2, plan.longest);
  Probe probe = make_probe(lengths, plan.longest, ninth, digit_at);
  const auto is_late = [&plan](double id) {
    return std::ranges::find(plan.late, static_cast<int64_t>(id)) != plan.late.end();
  };
  int64_t other = 0;
  while (other < 9 && is_late(static_cast<double>(other))) ++other;
  constexpr int64_t kLate = 10;
  std::vector<double> ids = *probe.input_ids.data;
  for (int64_t i = plan.longest; i + kLate < static_cast<int64_t>(ids.size()); ++i) {
    double& id = ids[static_cast<size_t>(i)];
    if (is_late(id)) id = static_cast<double>(other);
  }
  probe.input_ids = make_array(probe.input_ids.dims, ElementType::kInt64, std::move(ids));
  return probe;
}

}  // namespace

std::set<double> ids_of(std::span<const Probe> probes) {
  std::set<double> ids;
  for (const Probe& probe : probes) {
    ids.insert(probe.input_ids.data->begin(), probe.input_ids.data->end());
  }
  return ids;
}

std::array<Probe, kProbes> make_probes(const ProbePlan& plan, int64_t ninth) {
  if (plan.window > 1) return make_windows(plan, ninth);
  std::array<Probe, kProbes> probes = {
      make_probe(std::array<int64_t, 2>{7, 4}, 7, ninth, digit_at),
      make_probe(std::array<int64_t, 3>{5, 2, 1}, 5, ninth, digit_at), make_ends(ninth),
      make_long(plan, ninth)};
  for (Probe& probe : probes) {
    if (plan.thrice >= 0) place_thrice(probe, plan.thrice);
  }
  return probes;
}

}  // namespace tamis::onnx
