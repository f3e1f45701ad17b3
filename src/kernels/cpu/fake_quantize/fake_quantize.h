// What one mark does to one row of floats.
//
// Is: the choice among the reference's schemes. Is not: a kernel family with rows of its own: per
// token u8 runs that of quantize_rows, the other schemes run the reference. May use: tensor,
// reference.
#pragma once

#include <cstddef>
#include <span>

#include "base/cpu.h"
#include "kernels/cpu/quantize_rows/quantize_rows.h"
#include "kernels/reference/quantize.h"
#include "tensor/quant_scheme.h"

namespace tamis::kernels {

/// Immutable, so thread-safe. `levels` is scratch: a byte an element, up to a multiple of four.
class FakeQuantizer {
 public:
  /// `low` and `high` are of the static schemes.
  FakeQuantizer(QuantScheme scheme, float low, float high, IsaSet isas = detected_isas());

  /// out[j] = what the integer of row.y(j) stands for; x itself in outlier columns. out may be x
  /// where there is no multiplier.
  void run(const reference::RowToQuantize& row, std::span<const int32_t> outliers, float* out,
           std::byte* levels) const;
  /// In place; per token u8 keeps the sum.
  void run_probabilities(std::span<float> p, std::byte* levels) const;

 private:
  QuantScheme scheme_;
  const QuantizeRowsKernel* per_token_u8_;
  float s8_scale_;
  reference::StaticU8 u8_;
};

}  // namespace tamis::kernels
