#include "onnx/probe.h"

namespace tamis::onnx {

namespace {

Probe make_probe(std::span<const int64_t> lengths, int64_t tokens, int64_t ninth) {
  const auto sequences = static_cast<int64_t>(lengths.size());
  std::vector<double> ids;
  std::vector<double> mask;
  std::vector<double> types;
  for (int64_t b = 0; b < sequences; ++b) {
    for (int64_t i = 0; i < tokens; ++i) {
      // 7 and 10 have no common factor: every digit comes up, in another order in each row.
      const int64_t digit = (7 * i + 3 * b + 4) % 10;
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

}  // namespace

std::array<Probe, kProbes> make_probes(int64_t longest, int64_t ninth) {
  return {make_probe(std::array<int64_t, 2>{7, 4}, 7, ninth),
          make_probe(std::array<int64_t, 3>{5, 2, 1}, 5, ninth),
          make_probe(std::array<int64_t, 1>{longest}, longest, ninth)};
}

}  // namespace tamis::onnx
