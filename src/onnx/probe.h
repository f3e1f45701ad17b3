// Small batches that a file's arithmetic on ids and sizes is carried out for.
//
// Is: inputs whose sizes and masks tell every rule apart that import accepts. Is not: hidden
// states, which are never computed. May use: onnx/array.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "onnx/evaluate/array.h"
#include "onnx/layout.h"

namespace tamis::onnx {

/// Two padded batches of different sizes, which shapes are read from, one with each id in the
/// places where padding and ends of texts are told by it, and one long sequence, which windows and
/// limits of positions show in.
inline constexpr size_t kProbes = 4;
inline constexpr size_t kShapeProbes = 2;

struct Probe {
  BatchSizes sizes;
  /// [sequences, tokens]; 0 to 9, so that any usual padding id is there, or another than 9
  Array input_ids;
  Array attention_mask;  ///< 1, then 0 for padding
  Array token_type_ids;

  /// Whether the token is one, not padding.
  [[nodiscard]] bool is_token(int64_t sequence, int64_t token) const {
    return attention_mask[sequence * sizes.tokens + token] != 0;
  }
  [[nodiscard]] double count_tokens(int64_t sequence) const {
    double count = 0;
    for (int64_t i = 0; i < sizes.tokens; ++i) count += is_token(sequence, i) ? 1 : 0;
    return count;
  }
};

/// One value in each probe.
using ProbeArrays = std::array<Array, kProbes>;

/// Every id of theirs.
[[nodiscard]] std::set<double> ids_of(std::span<const Probe> probes);

/// What the probes of one reading of a file are like.
struct ProbePlan {
  int64_t longest = 0;      ///< tokens of the long sequence
  int64_t window = 1;       ///< sizes are multiples of it; of more than 1, `longest` is not read
  bool one_window = false;  ///< no sequence is longer
  int64_t thrice = -1;      ///< an id that each sequence then has three times
  /// Of two and more ids from 0 to 9: a second long sequence has them in its last tokens alone, so
  /// that what they part shows from either side.
  std::vector<int64_t> late = {};
};

/// `ninth`: an id in the place of 9. Of windows there are two batches and, but for one window
/// alone, one long sequence; the others are copies, so that ids at ends of texts do not show.
[[nodiscard]] std::array<Probe, kProbes> make_probes(const ProbePlan& plan, int64_t ninth = 9);
[[nodiscard]] inline std::array<Probe, kProbes> make_probes(int64_t longest, int64_t ninth = 9) {
  return make_probes(ProbePlan{longest}, ninth);
}

}  // namespace tamis::onnx
