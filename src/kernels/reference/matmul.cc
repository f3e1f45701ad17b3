#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

void matmul(const MatMulArgs& args) {
  for (int64_t i = 0; i < args.m; ++i) {
    for (int64_t j = 0; j < args.n; ++j) {
      double sum = 0;
      for (int64_t p = 0; p < args.k; ++p) {
        sum += double{args.x[i * args.ldx + p]} * args.w[j * args.ldw + p];
      }
      if (args.bias != nullptr) sum += args.bias[j];
      sum = activate(args.activation, sum);
      if (args.residual != nullptr) sum += args.residual[i * args.ldr + j];
      args.y[i * args.ldy + j] = static_cast<float>(sum);
    }
  }
}

}  // namespace tamis::kernels::reference
