// What one mark does to one row of floats.
//
// Is: the choice among the reference's schemes. Is not: a step. May use: graph, kernels.
#pragma once

#include <cstddef>
#include <span>

#include "base/cpu.h"
#include "graph/attributes.h"
#include "graph/quantizer.h"
#include "kernels/cpu/quantize_rows/quantize_rows.h"
#include "kernels/reference/quantize.h"

namespace tamis::runtime {

/// Immutable, so thread-safe. `levels` is scratch: a byte an element, up to a multiple of four.
class FakeQuantizer {
 public:
  explicit FakeQuantizer(const graph::FakeQuantizeAttributes& attributes,
                         IsaSet isas = detected_isas());

  /// out[j] = what the integer of row.y(j) stands for; x itself in outlier columns. out may be x
  /// where there is no multiplier.
  void run(const kernels::reference::RowToQuantize& row, std::span<const int32_t> outliers,
           float* out, std::byte* levels) const;
  /// In place; per token u8 keeps the sum.
  void run_probabilities(std::span<float> p, std::byte* levels) const;

 private:
  graph::QuantScheme scheme_;
  const kernels::QuantizeRowsKernel* per_token_u8_;
  float s8_scale_;
  kernels::reference::StaticU8 u8_;
};

/// The attributes that simulate a mark. Throws Error{kInvalidArgument} naming a static mark that
/// has no range.
[[nodiscard]] graph::FakeQuantizeAttributes fake_quantize_attributes(const graph::Quantizer& mark);

}  // namespace tamis::runtime
