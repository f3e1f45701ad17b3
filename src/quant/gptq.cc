#include "quant/gptq.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/reference/quantize.h"
#include "quant/gemm.h"
#include "quant/parallel.h"

namespace tamis::quant {

namespace {

// Columns of a factorisation's panel: small enough that the triangular solve inside it is a few
// percent of the work, large enough for the GEMM outside.
constexpr int64_t kPanel = 64;
// Columns between two updates of all that follow (GPTQ's lazy batch).
constexpr int64_t kBatch = 128;

std::vector<float> negated(const float* from, int64_t rows, int64_t columns, int64_t stride) {
  std::vector<float> out(static_cast<size_t>(rows * columns));
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      out[static_cast<size_t>(i * columns + j)] = -from[i * stride + j];
    }
  }
  return out;
}

// Solves x L^T = b for a row of b, in place, L the lower triangle of order n.
void solve_row(float* x, const float* l, int64_t n, int64_t stride) {
  for (int64_t j = 0; j < n; ++j) {
    float sum = x[j];
    for (int64_t p = 0; p < j; ++p) sum -= x[p] * l[j * stride + p];
    x[j] = sum / l[j * stride + j];
  }
}

bool factor_block(float* a, int64_t n, int64_t stride) {
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t p = 0; p < j; ++p) a[j * stride + j] -= a[j * stride + p] * a[j * stride + p];
    if (!(a[j * stride + j] > 0)) return false;
    const float diagonal = std::sqrt(a[j * stride + j]);
    a[j * stride + j] = diagonal;
    for (int64_t i = j + 1; i < n; ++i) {
      float sum = a[i * stride + j];
      for (int64_t p = 0; p < j; ++p) sum -= a[i * stride + p] * a[j * stride + p];
      a[i * stride + j] = sum / diagonal;
    }
  }
  return true;
}

/// The state of one gptq() call; columns are in the order in which they are rounded.
struct Rounding {
  int64_t rows;
  int64_t columns;
  std::vector<int64_t> order;  // place -> column
  std::vector<float> work;     // weight [rows, columns], in that order
  std::vector<float> inverse;  // Z of transposed_inverse(), of the reversed Hessian
  std::vector<float> errors;   // [rows, kBatch] of the current batch, negated

  // The upper factor of the inverse Hessian, U^T U.
  [[nodiscard]] float upper(int64_t i, int64_t j) const {
    return inverse[static_cast<size_t>((columns - 1 - j) * columns + columns - 1 - i)];
  }
};

// Rounds columns [begin, end) of row i, each error spread over the rest of the batch.
void round_row(Rounding& state, int64_t i, int64_t begin, int64_t end,
               const std::vector<float>& upper, IntegerWeight& out) {
  float* w = state.work.data() + i * state.columns;
  const float scale = out.scale[static_cast<size_t>(i)];
  for (int64_t j = begin; j < end; ++j) {
    const float level = scale > 0 ? std::clamp(std::rint(w[j] / scale), -127.0f, 127.0f) : 0.0f;
    const int64_t column = state.order[static_cast<size_t>(j)];
    out.q[static_cast<size_t>(i * state.columns + column)] = static_cast<int8_t>(level);
    const float* u = upper.data() + (j - begin) * kBatch - begin;
    const float error = (w[j] - level * scale) / u[j];
    for (int64_t p = j + 1; p < end; ++p) w[p] -= error * u[p];
    state.errors[static_cast<size_t>(i * kBatch + j - begin)] = -error;
  }
}

void round_batch(Rounding& state, int64_t begin, ThreadPool& pool, IntegerWeight& out) {
  const int64_t end = std::min(begin + kBatch, state.columns);
  std::vector<float> upper(static_cast<size_t>(kBatch * kBatch));
  for (int64_t j = begin; j < end; ++j) {
    for (int64_t p = j; p < end; ++p) {
      upper[static_cast<size_t>((j - begin) * kBatch + p - begin)] = state.upper(j, p);
    }
  }
  parallel_for(pool, state.rows, kBatch * kBatch / 2,
               [&](int64_t i) { round_row(state, i, begin, end, upper, out); });
  const int64_t rest = state.columns - end;
  if (rest == 0) return;
  std::vector<float> behind(static_cast<size_t>(rest * kBatch));
  for (int64_t p = 0; p < rest; ++p) {
    for (int64_t j = begin; j < end; ++j) {
      behind[static_cast<size_t>(p * kBatch + j - begin)] = state.upper(j, end + p);
    }
  }
  GemmOperands update;
  update.m = state.rows;
  update.n = rest;
  update.k = end - begin;
  update.a = state.errors.data();
  update.lda = kBatch;
  update.b = behind.data();
  update.ldb = kBatch;
  update.c = state.work.data() + end;
  update.ldc = state.columns;
  gemm_add(update, pool);
}

// The Hessian with rows and columns in ascending order of the diagonal: reversed, because the upper
// factor of an inverse is the reversed inverse of the lower factor of the reversed matrix.
std::vector<float> reversed(const std::vector<float>& hessian, const std::vector<int64_t>& order) {
  const size_t n = order.size();
  std::vector<float> out(n * n);
  for (size_t i = 0; i < n; ++i) {
    const auto row = static_cast<size_t>(order[n - 1 - i]) * n;
    for (size_t j = 0; j < n; ++j) {
      out[i * n + j] = hessian[row + static_cast<size_t>(order[n - 1 - j])];
    }
  }
  return out;
}

void add_damping(std::vector<float>& hessian, size_t n, double damp) {
  double trace = 0;
  for (size_t j = 0; j < n; ++j) trace += hessian[j * n + j];
  const auto add = static_cast<float>(damp * trace / static_cast<double>(n));
  for (size_t j = 0; j < n; ++j) hessian[j * n + j] += add;
}

}  // namespace

bool cholesky(std::span<float> a, int64_t n, ThreadPool& pool) {
  for (int64_t j = 0; j < n; j += kPanel) {
    const int64_t width = std::min(kPanel, n - j);
    float* panel = a.data() + j * n + j;
    const std::vector<float> left = negated(a.data() + j * n, width, j, n);
    GemmOperands update;
    update.m = n - j;
    update.n = width;
    update.k = j;
    update.a = a.data() + j * n;
    update.lda = n;
    update.b = left.data();
    update.ldb = j;
    update.c = panel;
    update.ldc = n;
    gemm_add(update, pool);
    if (!factor_block(panel, width, n)) return false;
    parallel_for(pool, n - j - width, kPanel * kPanel / 2,
                 [&](int64_t i) { solve_row(panel + (width + i) * n, panel, width, n); });
  }
  return true;
}

std::vector<float> transposed_inverse(std::span<const float> l, int64_t n, ThreadPool& pool) {
  std::vector<float> z(static_cast<size_t>(n * n), 0.0f);
  for (int64_t i = 0; i < n; i += kPanel) {
    const int64_t width = std::min(kPanel, n - i);
    const float* block = l.data() + i * n;
    for (int64_t d = 0; d < width; ++d) z[static_cast<size_t>((i + d) * n + i + d)] = 1;
    const std::vector<float> left = negated(block, width, i, n);
    GemmOperands update;
    update.m = i;
    update.n = width;
    update.k = i;
    update.a = z.data();
    update.lda = n;
    update.b = left.data();
    update.ldb = i;
    update.c = z.data() + i;
    update.ldc = n;
    gemm_add(update, pool);
    parallel_for(pool, i + width, kPanel * kPanel / 2, [&](int64_t row) {
      solve_row(&z[static_cast<size_t>(row * n + i)], block + i, width, n);
    });
  }
  return z;
}

IntegerWeight round_to_nearest(std::span<const float> weight, int64_t rows) {
  IntegerWeight out;
  out.rows = rows;
  out.columns = rows == 0 ? 0 : static_cast<int64_t>(weight.size()) / rows;
  out.q.resize(weight.size());
  out.scale.resize(static_cast<size_t>(rows));
  const auto k = static_cast<size_t>(out.columns);
  for (size_t i = 0; i < static_cast<size_t>(rows); ++i) {
    out.scale[i] = kernels::reference::quantize_weight_row(weight.subspan(i * k, k),
                                                           std::span(out.q).subspan(i * k, k));
  }
  return out;
}

IntegerWeight gptq(std::span<const float> weight, int64_t rows, std::vector<float> hessian,
                   double damp, ThreadPool& pool) {
  IntegerWeight out = round_to_nearest(weight, rows);
  Rounding state{rows, out.columns, {}, {}, {}, {}};
  const auto n = static_cast<size_t>(out.columns);
  add_damping(hessian, n, damp);
  state.order.resize(n);
  std::iota(state.order.begin(), state.order.end(), 0);
  std::stable_sort(state.order.begin(), state.order.end(), [&](int64_t a, int64_t b) {
    const auto diagonal = [&](int64_t j) { return hessian[static_cast<size_t>(j) * (n + 1)]; };
    return diagonal(a) > diagonal(b);
  });
  std::vector<float> factor = reversed(hessian, state.order);
  if (!cholesky(factor, out.columns, pool)) return out;
  state.inverse = transposed_inverse(factor, out.columns, pool);
  state.work.resize(weight.size());
  for (size_t i = 0; i < static_cast<size_t>(rows); ++i) {
    for (size_t j = 0; j < n; ++j) {
      state.work[i * n + j] = weight[i * n + static_cast<size_t>(state.order[j])];
    }
  }
  state.errors.assign(static_cast<size_t>(rows * kBatch), 0.0f);
  for (int64_t begin = 0; begin < out.columns; begin += kBatch) {
    round_batch(state, begin, pool, out);
  }
  return out;
}

}  // namespace tamis::quant
