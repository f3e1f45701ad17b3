#include <algorithm>
#include <cmath>

#include "base/bf16.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

namespace {

double element(const AttentionOperand& operand, int64_t row, int64_t column) {
  const int64_t at = row * operand.ld + column;
  return bf16_to_float(operand.bf16 != nullptr ? operand.bf16[at] : float_to_bf16(operand.f32[at]));
}

double score(const AttentionBf16Args& args, int64_t column, int64_t query, int64_t key) {
  double sum = 0;
  for (int64_t d = column; d < column + args.head_size; ++d) {
    sum += element(args.q, query, d) * element(args.k, key, d);
  }
  return sum * args.scale;
}

// As attend_row() of attention.cc.
void attend_row(const AttentionBf16Args& args, int64_t head, int64_t query, int64_t begin,
                int64_t len) {
  const int64_t column = head * args.head_size;
  double greatest = score(args, column, query, begin);
  for (int64_t j = 1; j < len; ++j) {
    greatest = std::max(greatest, score(args, column, query, begin + j));
  }
  constexpr int64_t kMaxHeadSize = 256;
  double context[kMaxHeadSize] = {};
  double sum = 0;
  for (int64_t j = 0; j < len; ++j) {
    const double p = std::exp(score(args, column, query, begin + j) - greatest);
    const double rounded = bf16_to_float(float_to_bf16(static_cast<float>(p)));
    sum += rounded;
    for (int64_t d = 0; d < args.head_size; ++d) {
      context[d] += rounded * element(args.v, begin + j, column + d);
    }
  }
  for (int64_t d = 0; d < args.head_size; ++d) {
    const auto value = static_cast<float>(context[d] / sum);
    const int64_t at = query * args.ldo + column + d;
    if (args.out_bf16 != nullptr) {
      args.out_bf16[at] = float_to_bf16(value);
    } else if (args.out_f16 != nullptr) {
      args.out_f16[at] = float_to_f16(std::clamp(value, -65504.0f, 65504.0f));
    } else {
      args.out[at] = value;
    }
  }
}

}  // namespace

void attention_bf16_rows(const AttentionBf16Args& args, const AttentionWork& work) {
  const int64_t begin = args.cu_seqlens[work.sequence];
  const int64_t len = args.cu_seqlens[work.sequence + 1] - begin;
  for (int64_t head = work.head_begin; head < work.head_end; ++head) {
    for (int64_t i = work.row_begin; i < work.row_end; ++i) {
      attend_row(args, head, begin + i, begin, len);
    }
  }
}

}  // namespace tamis::kernels::reference
