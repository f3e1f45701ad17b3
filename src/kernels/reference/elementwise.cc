#include <cstddef>

#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

void add(std::span<const float> a, std::span<const float> b, std::span<float> y) {
  for (size_t i = 0; i < y.size(); ++i) y[i] = a[i] + b[i];
}

void scale(std::span<const float> x, float factor, std::span<float> y) {
  for (size_t i = 0; i < y.size(); ++i) y[i] = x[i] * factor;
}

void select_rows(const SelectRowsArgs& args) {
  for (int64_t i = 0; i < args.rows; ++i) {
    const float* row = args.table + args.index[i] * args.ldt;
    for (int64_t j = 0; j < args.width; ++j) args.y[i * args.ldy + j] = row[j];
  }
}

}  // namespace tamis::kernels::reference
