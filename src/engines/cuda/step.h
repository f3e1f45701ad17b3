// One or a few launches of a plan.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engines/cuda/batch_arrays.h"
#include "engines/cuda/card.h"
#include "engines/cuda/constants.h"
#include "graph/graph.h"

namespace tamis::engines::cuda {

/// What a step sees of the run that it works for. Pointers are to the card's memory.
struct StepContext {
  const Card* card = nullptr;
  device::cuda::Stream* stream = nullptr;
  Extent extent;  ///< grids are made for it; how many rows there are stands on the card
  const std::byte* constants = nullptr;
  const std::byte* arrays = nullptr;
  const size_t* array_offsets = nullptr;
  std::byte* const* values = nullptr;  ///< by value id
  std::byte* scratch = nullptr;        ///< as large as Step asked for

  template <typename T>
  [[nodiscard]] T* value(graph::ValueId id) const {
    return reinterpret_cast<T*>(values[id]);
  }
  /// Null for a constant that is not there.
  template <typename T>
  [[nodiscard]] const T* constant(Constant<T> constant) const {
    return constant.there() ? reinterpret_cast<const T*>(constants + constant.offset) : nullptr;
  }
  template <typename T = int32_t>
  [[nodiscard]] const T* array(int number) const {
    return reinterpret_cast<const T*>(arrays + array_offsets[number]);
  }
  /// A grid of `columns` by `rows` blocks; `params` is what the kernel's row of kernels.inc names.
  template <typename Params>
  void launch(tamis::cuda::KernelId id, int64_t columns, int64_t rows, const Params& params) const {
    const tamis::cuda::KernelRow& kernel = tamis::cuda::kernel_row(id);
    stream->launch(
        card->function(id),
        {static_cast<unsigned>(columns), static_cast<unsigned>(rows),
         static_cast<unsigned>(kernel.threads), static_cast<unsigned>(kernel.shared_bytes)},
        &params);
  }
};

/// Immutable; safe from several threads on contexts with different memory.
class Step {
 public:
  virtual ~Step() = default;
  /// Starts its kernels on the context's stream. Throws what Stream throws.
  virtual void launch(const StepContext& context) const = 0;
  /// Bytes of scratch for each row of the symbol with most.
  [[nodiscard]] virtual size_t scratch_row_bytes() const { return 0; }
  /// Multiplications and additions of a batch, for the share of the peak.
  [[nodiscard]] virtual double operations(const engine::PackedBatch& /*batch*/) const { return 0; }
};

}  // namespace tamis::engines::cuda
