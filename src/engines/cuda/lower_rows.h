// What steps that make rows share: the kernel for a width, and a quantized copy's operands.
#pragma once

#include <functional>

#include "engines/cuda/lowering.h"
#include "kernels/cuda/rows/rows.h"

namespace tamis::engines::cuda {

/// Where the parts of a quantized copy of `rows` rows lie.
struct QuantizedView {
  QuantizedView(std::byte* memory, int64_t rows, int64_t stride)
      : q(reinterpret_cast<uint8_t*>(memory)),
        scale(reinterpret_cast<float*>(memory + rows * stride)),
        low(scale + rows),
        outliers(low + rows) {}

  uint8_t* q;       // [rows, stride]
  float* scale;     // [rows]
  float* low;       // [rows]
  float* outliers;  // [rows, kMaxOutliers]
};

/// Launches a row kernel, with or without a quantized copy of what it makes. Immutable.
class RowLaunch {
 public:
  /// Of `node`'s output, with the copy that goes with it if there is one.
  RowLaunch(const graph::Node& node, Lowering& lowering);
  /// Of the `copy`-th quantized copy alone.
  RowLaunch(size_t copy, Lowering& lowering);

  /// `params` has what the row is made of, its norm and its y; the rest is filled in.
  void launch(const StepContext& context, tamis::cuda::RowsParams params) const;
  /// `params` with rows, width and what belongs to the copy.
  [[nodiscard]] tamis::cuda::RowsParams filled(const StepContext& context,
                                               tamis::cuda::RowsParams params) const;
  [[nodiscard]] bool makes_copy() const { return copy_ != graph::kNoValue; }
  [[nodiscard]] int width() const { return width_; }

 private:
  void choose_kernel(std::string_view what);
  void take_copy(size_t copy, Lowering& lowering);

  int width_ = 0;
  graph::Symbol symbol_ = graph::Symbol::kTokens;
  int rows_array_ = 0;
  tamis::cuda::KernelId kernel_ = tamis::cuda::KernelId::k_rows_narrow;
  int block_rows_ = 1;
  graph::ValueId copy_ = graph::kNoValue;
  int64_t stride_ = 0;
  int outliers_ = 0;
  Constant<float> multiply_;
  Constant<float> offset_;
  Constant<int32_t> outlier_columns_;
};

/// What a row kernel would be given, in a run.
using RowsOf = std::function<tamis::cuda::RowsParams(const StepContext&)>;
/// Of a normalization.
[[nodiscard]] RowsOf norm_rows(const graph::Node& node, Lowering& lowering);

/// What a kernel does with its own rows in the block that finishes them, if anything: the norm
/// behind it, or a quantized copy. Immutable.
class RowTailLaunch {
 public:
  RowTailLaunch(const graph::Node& node, Lowering& lowering);

  /// `made` are the rows that the kernel makes.
  [[nodiscard]] tamis::cuda::RowTail tail(const StepContext& context,
                                          const tamis::cuda::MutableValues& made) const;

 private:
  RowsOf rows_;
  int finished_ = 0;
};

/// The step that makes the `copy`-th quantized copy where its producer does not.
[[nodiscard]] std::unique_ptr<Step> make_quantize_step(size_t copy, Lowering& lowering);

/// The numbers of the short form that an activation has behind integers and 16-bit floats, as a
/// constant; not there for the others.
[[nodiscard]] Constant<float> short_gelu(Activation activation, Lowering& lowering);

}  // namespace tamis::engines::cuda
