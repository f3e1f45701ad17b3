#include <algorithm>
#include <cmath>
#include <limits>

#include "base/bf16.h"
#include "kernels/reference/attention_terms.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

namespace {

double element(const AttentionOperand& operand, int64_t row, int64_t column) {
  const int64_t at = row * operand.ld + column;
  return bf16_to_float(operand.bf16 != nullptr ? operand.bf16[at] : float_to_bf16(operand.f32[at]));
}

double score(const AttentionBf16Args& args, int64_t head, const AttentionPair& pair) {
  const int64_t column = head * args.head_size;
  const int64_t key_column = kv_column(args, head);
  double sum = 0;
  for (int64_t d = 0; d < args.head_size; ++d) {
    sum +=
        element(args.q, pair.query_row, column + d) * element(args.k, pair.key_row, key_column + d);
  }
  return score_with_terms(args.terms, head, args.scale, pair, sum,
                          [&](AttentionSide side, const float* row) {
                            const AttentionOperand position = {row, nullptr, 0};
                            double product = 0;
                            for (int64_t d = 0; d < args.head_size; ++d) {
                              const double x = side == AttentionSide::kQuery
                                                   ? element(args.q, pair.query_row, column + d)
                                                   : element(args.k, pair.key_row, key_column + d);
                              product += x * element(position, 0, column + d);
                            }
                            return product;
                          });
}

// As attend_row() of attention.cc.
void attend_row(const AttentionBf16Args& args, int64_t head, const AttentionPair& pair,
                int64_t len) {
  const int64_t column = head * args.head_size;
  const SequenceRules rules = sequence_rules(args.terms, pair.key_row, len);
  const auto for_each_seen = [&](const auto& body) {
    for (int64_t j = 0; j < len; ++j) {
      const AttentionPair at = {pair.query_row, pair.key_row + j, pair.query_place, j};
      if (!sees(args.terms, rules, at)) continue;
      body(at, score(args, head, at) + rules.blocks.bias(at.query_place, at.key_place));
    }
  };
  double greatest = -std::numeric_limits<double>::infinity();
  for_each_seen([&](const AttentionPair&, double x) { greatest = std::max(greatest, x); });
  constexpr int64_t kMaxHeadSize = 256;
  double context[kMaxHeadSize] = {};
  double sum = 0;
  for_each_seen([&](const AttentionPair& at, double x) {
    const double p = std::exp(x - greatest);
    const double rounded = bf16_to_float(float_to_bf16(static_cast<float>(p)));
    sum += rounded;
    for (int64_t d = 0; d < args.head_size; ++d) {
      context[d] += rounded * element(args.v, at.key_row, kv_column(args, head) + d);
    }
  });
  for (int64_t d = 0; d < args.head_size; ++d) {
    const auto value = static_cast<float>(context[d] / sum);
    const int64_t at = pair.query_row * args.ldo + column + d;
    if (args.out_bf16 != nullptr) {
      args.out_bf16[at] = float_to_bf16(value);
    } else if (args.out_f16 != nullptr) {
      args.out_f16[at] = float_to_f16(std::clamp(value, -kMostHalf, kMostHalf));
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
      attend_row(args, head, {begin + i, begin, i + work.shift, 0}, len);
    }
  }
}

}  // namespace tamis::kernels::reference
