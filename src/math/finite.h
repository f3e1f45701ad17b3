// Whether numbers are finite.
//
// Is: the check that stands between a model's outputs and an answer. Is not: for weights (formats
// has its own). May use: nothing.
#pragma once

#include <span>

namespace tamis::math {

/// True if no value is NaN or infinite. About 0.1 ns a value: 40 ns for an embedding of 384.
[[nodiscard]] bool all_finite(std::span<const float> values);

}  // namespace tamis::math
