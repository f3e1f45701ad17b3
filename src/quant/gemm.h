// Matrix products of the treatments, by the engine's own GEMM.
//
// Is: C += A B^T in float32 on the pool's threads. Is not: for the plan. May use: kernels.
#pragma once

#include <cstdint>

#include "base/cpu.h"
#include "base/thread_pool.h"

namespace tamis::quant {

/// Row-major operands; strides count elements.
struct GemmOperands {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  const float* a = nullptr;  // [m, k]
  int64_t lda = 0;
  const float* b = nullptr;  // [n, k]
  int64_t ldb = 0;
  float* c = nullptr;  // [m, n]
  int64_t ldc = 0;
};

/// c += a b^T. Bits do not depend on the number of threads.
void gemm_add(const GemmOperands& operands, ThreadPool& pool, IsaSet isas = detected_isas());

}  // namespace tamis::quant
