// What the BF16 and INT8 GEMMs are given.
//
// Is: the operands of one call, shared by the reference and the kernels of kernels/cpu. Is not: a
// kernel; the maths stand in the contract header of the family. May use:
// base/activation.h and base/outliers.h, so that per-ISA files can include it.
#pragma once

#include <cstdint>

#include "base/activation.h"
#include "base/outliers.h"

namespace tamis::kernels {

/// Strides count elements. c may be residual itself (the same pointer and stride).
struct GemmBf16Args {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  const uint16_t* a = nullptr;   // [m, k] bf16; where k is odd, one more value of each row is read
  int64_t lda = 0;               // >= k rounded up to two
  const void* packed = nullptr;  // what pack() wrote, of the same kernel, n and k
  const float* bias = nullptr;   // [n], or null
  Activation activation = Activation::kNone;
  const float* residual = nullptr;  // [m, n], or null; added after the activation
  int64_t ldr = 0;
  float* c = nullptr;          // [m, n]
  uint16_t* c_bf16 = nullptr;  // where given, the result goes here, rounded to bf16, and not to c
  uint16_t* c_f16 = nullptr;   // the same in half precision, held to +-65504
  int64_t ldc = 0;             // of any
};

/// Rows of quantized activations are read four bytes at a time.
constexpr int64_t quantized_row_bytes(int64_t k) { return (k + 3) / 4 * 4; }

/// Strides count elements. c may be residual itself (the same pointer and stride).
struct GemmS8Args {
  int64_t m = 0;
  int64_t n = 0;
  int64_t k = 0;
  const uint8_t* a = nullptr;              // [m, k], each row readable up to quantized_row_bytes(k)
  int64_t lda = 0;                         // >= quantized_row_bytes(k)
  const float* scale = nullptr;            // [m]
  const float* low = nullptr;              // [m]
  const void* packed = nullptr;            // what pack() wrote, of the same kernel, n and k
  const float* bias = nullptr;             // [n], or null
  int64_t outliers = 0;                    // 0 to kMaxOutliers
  const float* outlier_values = nullptr;   // [m, kMaxOutliers]
  const float* outlier_weights = nullptr;  // [outliers, n]
  Activation activation = Activation::kNone;
  const float* residual = nullptr;  // [m, n], or null; added after the activation
  int64_t ldr = 0;
  float* c = nullptr;          // [m, n]
  uint16_t* c_bf16 = nullptr;  // where given, the result goes here, rounded to bf16, and not to c
  uint16_t* c_f16 = nullptr;   // the same in half precision, held to +-65504
  int64_t ldc = 0;             // of any
  const void* fetch_next = nullptr;  // what is read next from memory, fetched meanwhile; or null
};

/// W as Hugging Face stores it, quantized: [n, k] row-major, -127 to 127.
struct GemmS8Weights {
  int64_t n = 0;
  int64_t k = 0;
  const int8_t* w = nullptr;
  int64_t ldw = 0;
  const float* scale = nullptr;  // [n]
};

}  // namespace tamis::kernels
