#include <algorithm>

#include "base/bf16.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

void matmul_bf16(const GemmBf16Args& args, const uint16_t* w, int64_t column_begin,
                 int64_t column_end) {
  for (int64_t i = 0; i < args.m; ++i) {
    for (int64_t j = column_begin; j < column_end; ++j) {
      double sum = 0;
      for (int64_t p = 0; p < args.k; ++p) {
        sum += double{bf16_to_float(args.a[i * args.lda + p])} * bf16_to_float(w[j * args.k + p]);
      }
      if (args.bias != nullptr) sum += args.bias[j];
      sum = activate(args.activation, sum);
      if (args.residual != nullptr) sum += args.residual[i * args.ldr + j];
      const auto value = static_cast<float>(sum);
      if (args.c_bf16 != nullptr) {
        args.c_bf16[i * args.ldc + j] = float_to_bf16(value);
      } else if (args.c_f16 != nullptr) {
        args.c_f16[i * args.ldc + j] = float_to_f16(std::clamp(value, -kMostHalf, kMostHalf));
      } else {
        args.c[i * args.ldc + j] = value;
      }
    }
  }
}

}  // namespace tamis::kernels::reference
