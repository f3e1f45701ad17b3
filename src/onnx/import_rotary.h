// The steps of rotary positions that handlers of Slice, Concat, Mul and Add come across.
//
// Is: what each step becomes, absent where it is something else. Is not: a handler. May use: graph,
// formats.
#pragma once

#include "onnx/importer.h"

namespace tamis::onnx {

/// Columns [first, first + count) of the last axis, half of each head's or of each pair.
[[nodiscard]] ImportValue half_of_heads(const Hidden& x, size_t axis, int64_t first, int64_t count);
/// The negated second half before the first, or the same of each pair.
[[nodiscard]] ImportValue swapped_halves(const ImportValue& a, const ImportValue& b);
/// Heads, or heads with swapped halves, times something that depends on the batch.
[[nodiscard]] ImportValue times_positions(const Hidden& x, const std::shared_ptr<const Known>& by);
/// The sum of the two products. Errors name the step.
[[nodiscard]] ImportValue turned(Importer& importer, const Step& step, const Hidden& cosine,
                                 const Hidden& sine);

}  // namespace tamis::onnx
