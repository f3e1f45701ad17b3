// Rows picked out of others, whatever type they are kept in.
//
// Is: what the GPU's copies of rows are given. Is not: the kernel. May use: nothing.
#pragma once

#include <cstdint>

namespace tamis::cuda {

/// Device memory. Launch with kSelectThreads and a block for each row of y.
struct SelectParams {
  const int32_t* rows = nullptr;  // [1]
  const int32_t* from = nullptr;  // [rows * parts]: rows of x; negative: zeros
  int parts = 1;                  // of a row of y, each a row of x
  int units = 0;                  // of two bytes in a row of x
  const uint16_t* x = nullptr;    // [any, units]
  uint16_t* y = nullptr;          // [rows, parts * units]
};

inline constexpr int kSelectThreads = 128;

}  // namespace tamis::cuda
