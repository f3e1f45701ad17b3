#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/reference/attention_terms.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

namespace {

int64_t square(int64_t x) { return x * x; }

// Calls body(begin, len, pairs) for each head and sequence: the sequence's first token, its length,
// and where its pairs start.
template <typename Body>
void for_each_head_and_sequence(const AttentionArgs& args, const Body& body) {
  int64_t pairs = 0;
  for (int64_t h = 0; h < args.heads; ++h) {
    for (int64_t s = 0; s < args.sequences; ++s) {
      const int64_t begin = args.cu_seqlens[s];
      const int64_t len = args.cu_seqlens[s + 1] - begin;
      body(h, begin, len, pairs);
      pairs += square(len);
    }
  }
}

double dot(const float* x, const float* y, int64_t n) {
  double sum = 0;
  for (int64_t d = 0; d < n; ++d) sum += double{x[d]} * y[d];
  return sum;
}

double score(const AttentionArgs& args, int64_t head, const AttentionPair& pair) {
  const int64_t column = head * args.head_size;
  const float* q = args.q + pair.query_row * args.ldq + column;
  const float* k = args.k + pair.key_row * args.ldk + kv_column(args, head);
  return score_with_terms(args.terms, head, args.scale, pair, dot(q, k, args.head_size),
                          [&](AttentionSide side, const float* row) {
                            const float* x = side == AttentionSide::kQuery ? q : k;
                            return dot(x, row + column, args.head_size);
                          });
}

// One output row straight from q, k, v, keeping nothing: scores are computed three times so that
// no memory is needed. `pair` holds the query and the sequence's first key.
void attend_row(const AttentionArgs& args, int64_t head, const AttentionPair& pair, int64_t len) {
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
    const double weight = std::exp(x - greatest);
    const float* v = args.v + at.key_row * args.ldv + kv_column(args, head);
    sum += weight;
    for (int64_t d = 0; d < args.head_size; ++d) context[d] += weight * v[d];
  });
  float* out = args.out + pair.query_row * args.ldo + head * args.head_size;
  for (int64_t d = 0; d < args.head_size; ++d) out[d] = static_cast<float>(context[d] / sum);
}

}  // namespace

int64_t attention_pairs(const int32_t* cu_seqlens, int64_t sequences) {
  int64_t pairs = 0;
  for (int64_t s = 0; s < sequences; ++s) pairs += square(cu_seqlens[s + 1] - cu_seqlens[s]);
  return pairs;
}

void attention(const AttentionArgs& args) {
  for (int64_t s = 0; s < args.sequences; ++s) {
    attention_rows(args, {s, 0, args.heads, 0, args.cu_seqlens[s + 1] - args.cu_seqlens[s]});
  }
}

void attention_rows(const AttentionArgs& args, const AttentionWork& work) {
  const int64_t begin = args.cu_seqlens[work.sequence];
  const int64_t len = args.cu_seqlens[work.sequence + 1] - begin;
  for (int64_t head = work.head_begin; head < work.head_end; ++head) {
    for (int64_t i = work.row_begin; i < work.row_end; ++i) {
      attend_row(args, head, {begin + i, begin, i + work.shift, 0}, len);
    }
  }
}

void attention_scores(const AttentionArgs& args, float* scores) {
  for_each_head_and_sequence(args, [&](int64_t head, int64_t begin, int64_t len, int64_t pairs) {
    const SequenceRules rules = sequence_rules(args.terms, begin, len);
    for (int64_t i = 0; i < len; ++i) {
      for (int64_t j = 0; j < len; ++j) {
        const AttentionPair pair = {begin + i, begin + j, i, j};
        const double x = score(args, head, pair) + rules.blocks.bias(i, j);
        scores[pairs + i * len + j] = sees(args.terms, rules, pair)
                                          ? static_cast<float>(x)
                                          : -std::numeric_limits<float>::infinity();
      }
    }
  });
}

void attention_softmax(const AttentionArgs& args, const float* scores, float* probabilities) {
  for_each_head_and_sequence(args, [&](int64_t, int64_t, int64_t len, int64_t pairs) {
    softmax_rows(len, len, scores + pairs, probabilities + pairs);
  });
}

void attention_context(const AttentionArgs& args, const float* probabilities) {
  for_each_head_and_sequence(args, [&](int64_t head, int64_t begin, int64_t len, int64_t pairs) {
    for (int64_t i = 0; i < len; ++i) {
      float* out = args.out + (begin + i) * args.ldo + head * args.head_size;
      for (int64_t d = 0; d < args.head_size; ++d) {
        const float* v = args.v + begin * args.ldv + kv_column(args, head) + d;
        double sum = 0;
        for (int64_t j = 0; j < len; ++j) {
          sum += double{probabilities[pairs + i * len + j]} * v[j * args.ldv];
        }
        out[d] = static_cast<float>(sum);
      }
    }
  });
}

void softmax_rows(int64_t rows, int64_t width, const float* x, float* y) {
  if (width == 0) return;
  for (int64_t i = 0; i < rows; ++i) {
    const float* row = x + i * width;
    const double greatest = *std::max_element(row, row + width);
    double sum = 0;
    for (int64_t j = 0; j < width; ++j) sum += std::exp(row[j] - greatest);
    for (int64_t j = 0; j < width; ++j) {
      y[i * width + j] = static_cast<float>(std::exp(row[j] - greatest) / sum);
    }
  }
}

}  // namespace tamis::kernels::reference
