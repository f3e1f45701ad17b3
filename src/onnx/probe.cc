#include "onnx/probe.h"

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

}  // namespace

std::set<double> ids_of(std::span<const Probe> probes) {
  std::set<double> ids;
  for (const Probe& probe : probes) {
    ids.insert(probe.input_ids.data->begin(), probe.input_ids.data->end());
  }
  return ids;
}

std::array<Probe, kProbes> make_probes(int64_t longest, int64_t ninth) {
  return {make_probe(std::array<int64_t, 2>{7, 4}, 7, ninth, digit_at),
          make_probe(std::array<int64_t, 3>{5, 2, 1}, 5, ninth, digit_at), make_ends(ninth),
          make_probe(std::array<int64_t, 1>{longest}, longest, ninth, digit_at)};
}

}  // namespace tamis::onnx
