#include "kernels/reference/experts_args.h"
#include "kernels/reference/reference.h"

namespace tamis::kernels::reference {

namespace {

// Whether expert `other` goes before `expert`; of equal ones, or where there are no numbers, the
// first does.
bool goes_before(const float* probabilities, int64_t other, int64_t expert) {
  if (probabilities[other] > probabilities[expert]) return true;
  return other < expert && !(probabilities[expert] > probabilities[other]);
}

bool is_chosen(const RouteTokensArgs& args, const float* probabilities, int64_t expert) {
  int64_t before = 0;
  for (int64_t other = 0; other < args.experts; ++other) {
    if (other != expert && goes_before(probabilities, other, expert)) ++before;
  }
  return before < args.top_k;
}

void route_row(const RouteTokensArgs& args, const float* probabilities, float* route) {
  int64_t chosen = 0;
  for (int64_t expert = 0; expert < args.experts && chosen < args.top_k; ++expert) {
    if (!is_chosen(args, probabilities, expert)) continue;
    route[chosen] = probabilities[expert];
    route[args.top_k + chosen] = static_cast<float>(expert);
    ++chosen;
  }
}

}  // namespace

void route_tokens(const RouteTokensArgs& args) {
  softmax_rows(args.rows, args.experts, args.logits, args.logits);
  for (int64_t i = 0; i < args.rows; ++i) {
    route_row(args, args.logits + i * args.experts, args.routes + i * 2 * args.top_k);
  }
}

void expert_matmul(const ExpertMatMulArgs& args) {
  for (int64_t slot = 0; slot < args.rows * args.top_k; ++slot) {
    const int64_t row = slot / args.top_k;
    const float route = args.routes[row * 2 * args.top_k + args.top_k + slot % args.top_k];
    MatMulArgs product;
    product.m = 1;
    product.n = product.ldy = args.n;
    product.k = product.ldx = product.ldw = args.k;
    product.x = args.x + (args.x_of_each ? slot : row) * args.k;
    product.w = args.w + expert_of(route, args.experts) * args.n * args.k;
    product.activation = args.activation;
    product.y = args.y + slot * args.n;
    matmul(product);
  }
}

void combine_experts(const CombineExpertsArgs& args) {
  for (int64_t i = 0; i < args.rows; ++i) {
    const float* x = args.x + i * args.top_k * args.n;
    const float* weights = args.routes + i * 2 * args.top_k;
    for (int64_t column = 0; column < args.n; ++column) {
      double sum = 0;
      for (int64_t j = 0; j < args.top_k; ++j) sum += double{weights[j]} * x[j * args.n + column];
      args.y[i * args.n + column] = static_cast<float>(sum);
    }
  }
}

}  // namespace tamis::kernels::reference
