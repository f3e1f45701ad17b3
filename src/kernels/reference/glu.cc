#include "base/bf16.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

namespace {

double element(const GluArgs& args, int64_t i, int64_t column) {
  const int64_t at = i * args.ldx + column;
  if (args.x_f16 != nullptr) return f16_to_float(args.x_f16[at]);
  if (args.x_bf16 != nullptr) return bf16_to_float(args.x_bf16[at]);
  return args.x[at];
}

}  // namespace

void glu(const GluArgs& args) {
  for (int64_t i = 0; i < args.rows; ++i) {
    for (int64_t j = 0; j < args.width; ++j) {
      const double gate = activate(args.activation, element(args, i, args.gate_column + j));
      const auto y = static_cast<float>(gate * element(args, i, args.up_column + j));
      const int64_t at = i * args.ldy + j;
      if (args.y_bf16 != nullptr) {
        args.y_bf16[at] = float_to_bf16(y);
      } else if (args.y_f16 != nullptr) {
        args.y_f16[at] = float_to_f16(y);
      } else {
        args.y[at] = y;
      }
    }
  }
}

}  // namespace tamis::kernels::reference
