// Products and norms of what is known: positions times frequencies, tables of positions.
#include <cmath>

#include "onnx/evaluate/evaluate.h"

namespace tamis::onnx {

namespace {

// Sums of products; those of two large constants are the importer's (Importer::product()).
constexpr int64_t kMostProducts = int64_t{1} << 30;

// [.., rows, columns] of one operand, its batch axes spread to `batch`.
Array spread_batch(const Array& array, const Dims& batch) {
  const size_t rank = array.dims.size();
  Dims dims = batch;
  dims.push_back(array.dims[rank - 2]);
  dims.push_back(array.dims[rank - 1]);
  return spread(array, dims);
}

}  // namespace

std::vector<Array> evaluate_product(const Operation& op, const Inputs& inputs) {
  const Array& a = *inputs[0];
  const Array& b = *inputs[1];
  if (a.dims.size() < 2 || b.dims.size() < 2) op.refuse("a product of a vector");
  const int64_t m = a.dims[a.dims.size() - 2];
  const int64_t k = a.dims.back();
  const int64_t n = b.dims.back();
  if (b.dims[b.dims.size() - 2] != k) {
    fail(ErrorCode::kCorruptData, "a product over ", k, " and ", b.dims[b.dims.size() - 2]);
  }
  Dims dims =
      broadcast_dims({a.dims.data(), a.dims.size() - 2}, {b.dims.data(), b.dims.size() - 2});
  const Array left = spread_batch(a, dims);
  const Array right = spread_batch(b, dims);
  const int64_t batch = count_of(dims);
  dims.push_back(m);
  dims.push_back(n);
  const int64_t count = count_of(dims);
  if (count > 0 && k > kMostProducts / count) op.refuse("a product of ", count, " sums of ", k);
  std::vector<double> values(static_cast<size_t>(count), 0.0);
  const double* from = left.data->data();
  for (int64_t i = 0; i < batch * m; ++i) {
    double* sums = values.data() + i * n;
    for (int64_t c = 0; c < k; ++c) {
      const double x = *from++;
      const double* row = right.data->data() + (i / m * k + c) * n;
      for (int64_t j = 0; j < n; ++j) sums[j] += x * row[j];
    }
  }
  return {make_array(std::move(dims), a.type, std::move(values))};
}

std::vector<Array> evaluate_layer_norm(const Operation& op, const Inputs& inputs) {
  const Array& x = *inputs[0];
  const size_t rank = x.dims.size();
  if (rank == 0 || axis_of(op.integer("axis", -1), rank) + 1 != rank) {
    op.refuse("a norm that is not over the last axis");
  }
  const int64_t n = x.dims.back();
  const auto parameter = [&](size_t i, double otherwise) {
    const bool is_there = i < inputs.size() && inputs[i] != nullptr;
    const Array one = make_array({1}, x.type, {otherwise});
    return spread(is_there ? *inputs[i] : one, {n});
  };
  const Array gamma = parameter(1, 1);
  const Array beta = parameter(2, 0);
  const double epsilon = op.number("epsilon", 1e-5);
  std::vector<double> values(x.data->size());
  for (int64_t row = 0; n > 0 && row < x.elements() / n; ++row) {
    double mean = 0;
    for (int64_t i = 0; i < n; ++i) mean += x[row * n + i] / static_cast<double>(n);
    double variance = 0;
    for (int64_t i = 0; i < n; ++i) {
      variance += (x[row * n + i] - mean) * (x[row * n + i] - mean) / static_cast<double>(n);
    }
    const double root = std::sqrt(variance + epsilon);
    for (int64_t i = 0; i < n; ++i) {
      values[static_cast<size_t>(row * n + i)] =
          (x[row * n + i] - mean) / root * gamma[i] + beta[i];
    }
  }
  return {make_array(x.dims, x.type, std::move(values))};
}

}  // namespace tamis::onnx
