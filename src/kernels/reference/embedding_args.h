// What an embedding kernel is given: up to three tables, their ids, and a LayerNorm.
//
// Is: the operands of one call, shared by the reference and the kernels of kernels/cpu. Is not: a
// kernel; the maths stand in the contract header of the family. May use: nothing, so that per-ISA
// files can include it.
#pragma once

#include <cstdint>

namespace tamis::kernels {

/// Rows [any, width], contiguous, in one of four types. None: this table is not there.
struct EmbeddingTable {
  const float* rows = nullptr;
  const int32_t* ids = nullptr;  // [tokens]; null: row 0 for every token
  const uint16_t* f16 = nullptr;
  const uint16_t* bf16 = nullptr;
  const int8_t* s8 = nullptr;
  const float* scale = nullptr;  // [any]: a row of s8 is scale * s8, rounded once

  [[nodiscard]] bool is_there() const {
    return rows != nullptr || f16 != nullptr || bf16 != nullptr || s8 != nullptr;
  }
};

struct EmbeddingArgs {
  int64_t tokens = 0;
  int64_t width = 0;
  EmbeddingTable tables[3];      // tables[0] is always there
  const float* gamma = nullptr;  // [width]; null: no LayerNorm, the sum is the result
  const float* beta = nullptr;   // [width]
  float eps = 0;
  float* y = nullptr;
  int64_t ldy = 0;
};

}  // namespace tamis::kernels
