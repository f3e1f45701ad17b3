// What a task does to the raw outputs of one request: softmax, sigmoid, unit length.
//
// Is: the only softmax, sigmoid and normalization of the decoding of tasks. Is not: a kernel family
// (a request has few of these numbers). May use: nothing.
//
// In place, computed in double, rounded once. Thread-safe.
#pragma once

#include <span>

namespace tamis::math {

/// x[i] = exp(x[i]) / sum of exp(x); nothing happens to an empty span.
void softmax(std::span<float> x);

/// x[i] = 1 / (1 + exp(-x[i])).
void sigmoid(std::span<float> x);

/// x = x / max(|x|_2, 1e-12), torch.nn.functional.normalize's rule: a zero vector stays zero.
void l2_normalize(std::span<float> x);

}  // namespace tamis::math
