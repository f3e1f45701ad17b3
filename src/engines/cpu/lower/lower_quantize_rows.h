// The steps that make quantized copies, and how a copy lies in memory.
#pragma once

#include <memory>

#include "engines/cpu/lowering.h"
#include "engines/cpu/step.h"
#include "kernels/cpu/gemm_s8/gemm_s8.h"
#include "kernels/cpu/quantize_rows/quantize_rows.h"

namespace tamis::engines::cpu {

/// Where the parts of a copy of `rows` rows lie: values of outliers, scales, lows, levels.
struct QuantizedView {
  QuantizedView(std::byte* memory, int64_t rows)
      : outliers(reinterpret_cast<float*>(memory)),
        scale(outliers + rows * kMaxOutliers),
        low(scale + rows),
        q(reinterpret_cast<uint8_t*>(low + rows)) {}

  float* outliers;  // [rows, kMaxOutliers]
  float* scale;     // [rows]
  float* low;       // [rows]
  uint8_t* q;       // [rows, quantized_row_bytes(width)]
};

/// Arguments that quantize rows [begin, begin + rows) of `total` into the copy at `memory`; x is
/// left to the caller. Parameters come from make_quantize_args().
[[nodiscard]] kernels::QuantizeRowsArgs quantize_into(const kernels::QuantizeRowsArgs& parameters,
                                                      std::byte* memory, int64_t total, Share rows);

/// What is the same for all rows. Throws Error{kUnsupported} for constants that are not F32.
[[nodiscard]] kernels::QuantizeRowsArgs make_quantize_args(const QuantizedRows& copy,
                                                           const Lowering& lowering);

/// A copy that the step which makes a value makes too.
struct ProducedCopy {
  graph::ValueId id = graph::kNoValue;  ///< kNoValue: there is none
  kernels::QuantizeRowsArgs parameters;
};
[[nodiscard]] ProducedCopy copy_made_with(graph::ValueId x, const Lowering& lowering);

/// The step that makes the `index`-th copy where its producer does not.
[[nodiscard]] std::unique_ptr<Step> make_quantize_step(size_t index, Lowering& lowering);

}  // namespace tamis::engines::cpu
