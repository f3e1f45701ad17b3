// Tables that a model's attention reads and its checkpoint holds in parts: products of constants.
//
// Is: arithmetic on constants while a graph is built. Is not: part of a run. May use: graph.
#pragma once

#include <memory>

#include "models/models.h"
#include "tensor/tensor.h"

namespace tamis::models {

/// By plain loops, sums in double: for tables of tests, and where no faster way is given.
void project_plainly(const Projection& projection);

/// Each row of x [m, n] less its mean, over the root of its variance and epsilon, times gamma [n]
/// and plus beta [n].
[[nodiscard]] Tensor normalize_rows(const Tensor& x, const Tensor& gamma, const Tensor& beta,
                                    double epsilon);

}  // namespace tamis::models
