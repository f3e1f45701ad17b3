#include <algorithm>

#include "base/bf16.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

void matmul_s8(const GemmS8Args& args, const GemmS8Weights& weights, int64_t column_begin,
               int64_t column_end) {
  for (int64_t i = 0; i < args.m; ++i) {
    for (int64_t j = column_begin; j < column_end; ++j) {
      int32_t product = 0;
      int32_t colsum = 0;
      for (int64_t p = 0; p < args.k; ++p) {
        const int32_t w = weights.w[j * weights.ldw + p];
        product += args.a[i * args.lda + p] * w;
        colsum += w;
      }
      double sum = double{args.scale[i]} * product + double{args.low[i]} * colsum;
      sum *= weights.scale[j];
      if (args.bias != nullptr) sum += args.bias[j];
      for (int64_t r = 0; r < args.outliers; ++r) {
        sum += double{args.outlier_values[i * kMaxOutliers + r]} *
               args.outlier_weights[r * args.n + j];
      }
      sum = activate(args.activation, sum);
      if (args.residual != nullptr) sum += args.residual[i * args.ldr + j];
      if (args.c_bf16 != nullptr) {
        args.c_bf16[i * args.ldc + j] = float_to_bf16(static_cast<float>(sum));
      } else if (args.c_f16 != nullptr) {
        args.c_f16[i * args.ldc + j] =
            float_to_f16(std::clamp(static_cast<float>(sum), -kMostHalf, kMostHalf));
      } else {
        args.c[i * args.ldc + j] = static_cast<float>(sum);
      }
    }
  }
}

}  // namespace tamis::kernels::reference
