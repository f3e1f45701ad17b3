// What the ops of a mixture of experts are given.
//
// Is: the operands of one call. Is not: a kernel. May use: base/activation.h.
#pragma once

#include <cstdint>

#include "base/activation.h"

namespace tamis::kernels {

/// Strides are those of dense rows.
struct RouteTokensArgs {
  int64_t rows = 0;
  int64_t experts = 0;
  int64_t top_k = 0;        // 1 to experts
  float* logits = nullptr;  // [rows, experts]; holds the probabilities afterwards
  float* routes = nullptr;  // [rows, 2 * top_k]: probabilities, then numbers of experts
};

/// The expert that a route names; what is no number of an expert, which only routes that
/// RouteTokens did not make have, stands for the first.
[[nodiscard]] inline int64_t expert_of(float route, int64_t experts) {
  return route >= 0 && route < static_cast<float>(experts) ? static_cast<int64_t>(route) : 0;
}

struct ExpertMatMulArgs {
  int64_t rows = 0;
  int64_t n = 0;
  int64_t k = 0;
  int64_t experts = 0;
  int64_t top_k = 0;
  bool x_of_each = false;         // x is [rows, top_k, k], not [rows, k]
  const float* x = nullptr;       // as said
  const float* w = nullptr;       // [experts, n, k]
  const float* routes = nullptr;  // [rows, 2 * top_k]
  Activation activation = Activation::kNone;
  float* y = nullptr;  // [rows, top_k, n]
};

struct CombineExpertsArgs {
  int64_t rows = 0;
  int64_t n = 0;
  int64_t top_k = 0;
  const float* x = nullptr;       // [rows, top_k, n]
  const float* routes = nullptr;  // [rows, 2 * top_k]
  float* y = nullptr;             // [rows, n]
};

}  // namespace tamis::kernels
