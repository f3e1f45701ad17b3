// ONNX operators on values that are known: constants, and what follows from ids and sizes alone.
//
// Is: folding, one function for each group of operators. Is not: for hidden states, or fast. May
// use: formats.
// Source: https://onnx.ai/onnx/operators
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "onnx/evaluate/array.h"
#include "onnx/operation.h"

namespace tamis::onnx {

/// One for each input of the node; null where an optional one is absent.
using Inputs = std::vector<const Array*>;

/// The outputs of a node of ai.onnx. Throws Error naming the node: kUnsupported (an operator or an
/// attribute that is not evaluated here), kCorruptData (inputs that do not fit).
[[nodiscard]] std::vector<Array> evaluate(const Operation& op, const Inputs& inputs);

using Evaluation = std::vector<Array> (*)(const Operation& op, const Inputs& inputs);

/// What evaluations.inc names.
[[nodiscard]] std::vector<Array> evaluate_unary(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_is_inf(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_binary(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_cast(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_where(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_clip(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_quantize(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_dequantize(const Operation& op, const Inputs& inputs);

[[nodiscard]] std::vector<Array> evaluate_constant(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_fill(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_range(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_shape(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_size(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_reshape(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_flatten(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_squeeze(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_unsqueeze(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_expand(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_tile(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_transpose(const Operation& op, const Inputs& inputs);

[[nodiscard]] std::vector<Array> evaluate_concat(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_slice(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_split(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_gather(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_gather_nd(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_gather_elements(const Operation& op,
                                                          const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_scatter_nd(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_scatter_elements(const Operation& op,
                                                           const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_nonzero(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_product(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_einsum(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_softmax(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_pad(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_layer_norm(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_reduce(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_argmax(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_cumsum(const Operation& op, const Inputs& inputs);
[[nodiscard]] std::vector<Array> evaluate_trilu(const Operation& op, const Inputs& inputs);

// Shape arithmetic that import shares.

/// The dims that `target` asks of a tensor of `dims` (0: copied unless `allow_zero`, -1: the rest).
[[nodiscard]] Dims reshaped_dims(const Dims& dims, const std::vector<int64_t>& target,
                                 bool allow_zero);
/// The axes of an operator that takes them as an attribute or, later, as input `i`.
[[nodiscard]] std::vector<int64_t> axes_of(const Operation& op, const Inputs& inputs, size_t i);
/// An axis's part that Slice takes: indices first, first + step, ... `count` of them.
struct SliceRange {
  size_t axis = 0;
  int64_t first = 0;
  int64_t count = 0;
  int64_t step = 1;
};
[[nodiscard]] std::vector<SliceRange> slice_ranges(const Operation& op, const Dims& dims,
                                                   const Inputs& inputs);
/// Transpose's order of axes. Throws Error{kCorruptData} if it is none of that rank.
[[nodiscard]] std::vector<int64_t> perm_of(const Operation& op, size_t rank);
/// Sizes along the axis of Split's outputs.
[[nodiscard]] std::vector<int64_t> split_sizes(const Operation& op, int64_t size,
                                               const Inputs& inputs);

}  // namespace tamis::onnx
