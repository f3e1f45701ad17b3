#include "formats/static_embedding.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "formats/checkpoint.h"
#include "formats/dense_module.h"
#include "formats/stored_tensor.h"
#include "tensor/widened.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kOwn = "embedding.weight";
constexpr std::string_view kModel2Vec = "embeddings";

using Stored = std::vector<StoredTensor>;

const StoredTensor* find(const Stored& tensors, std::string_view name) {
  const auto found = std::ranges::find(tensors, name, &StoredTensor::name);
  return found == tensors.end() ? nullptr : &*found;
}

// Integers as the numbers that they are: model2vec stores no scale beside them.
std::shared_ptr<const Tensor> floats_of(const StoredTensor& stored) {
  const auto& tensor = usable_tensor(stored);
  const DType dtype = tensor->dtype();
  if (!is_stored_float(dtype) && dtype != DType::kF64 && dtype != DType::kI8) {
    fail(ErrorCode::kUnsupported, stored.source, ": tensor \"", stored.name, "\" has dtype ",
         dtype_name(dtype), "; accepted are F32, F16, BF16, F64 and I8");
  }
  require_finite(stored);
  if (is_stored_float(dtype)) return tensor;
  return std::make_shared<const Tensor>(to_float32(tensor->view()));
}

[[noreturn]] void refuse_shape(const StoredTensor& stored, std::string_view wanted) {
  fail(ErrorCode::kCorruptData, stored.source, ": tensor \"", stored.name, "\" has the shape ",
       sizes_to_string(stored.sizes), ", must be ", wanted);
}

std::shared_ptr<const Tensor> table_of(const StoredTensor& stored) {
  const auto& sizes = stored.sizes;
  const bool fits = sizes.size() == 2 && sizes[0] >= 1 && sizes[0] < INT32_MAX && sizes[1] >= 1 &&
                    sizes[1] <= kMaxFeatures;
  if (!fits) refuse_shape(stored, "[tokens, columns] with at least one of each");
  return floats_of(stored);
}

// The row of the table that each id has.
std::vector<int64_t> rows_of(const StoredTensor& stored, int64_t rows) {
  if (stored.sizes.size() != 1 || stored.sizes[0] < 1) refuse_shape(stored, "[tokens]");
  const auto& tensor = usable_tensor(stored);
  std::vector<int64_t> mapping(static_cast<size_t>(stored.sizes[0]));
  if (tensor->dtype() == DType::kI64) {
    std::ranges::copy(tensor->as<int64_t>(), mapping.begin());
  } else if (tensor->dtype() == DType::kI32) {
    std::ranges::copy(tensor->as<int32_t>(), mapping.begin());
  } else {
    fail(ErrorCode::kUnsupported, stored.source, ": tensor \"", stored.name, "\" has dtype ",
         dtype_name(tensor->dtype()), "; accepted are I32 and I64");
  }
  const auto bad =
      std::ranges::find_if(mapping, [rows](int64_t row) { return row < 0 || row >= rows; });
  if (bad == mapping.end()) return mapping;
  fail(ErrorCode::kCorruptData, stored.source, ": tensor \"", stored.name, "\" has ", *bad, " at ",
       bad - mapping.begin(), ", but \"", kModel2Vec, "\" has rows 0 to ", rows - 1);
}

std::vector<double> weights_of(const StoredTensor& stored, int64_t ids) {
  if (stored.sizes != std::vector<int64_t>{ids}) refuse_shape(stored, cat("[", ids, "]"));
  const auto& tensor = usable_tensor(stored);
  if (tensor->dtype() == DType::kF64) {
    require_finite(stored);
    const auto values = tensor->as<double>();
    return {values.begin(), values.end()};
  }
  const Tensor values = to_float32(floats_of(stored)->view());
  const auto floats = values.as<float>();
  return {floats.begin(), floats.end()};
}

// A product of two floats is exact in double, so that this rounds once, as torch does.
std::shared_ptr<const Tensor> folded(const Stored& tensors, const StoredTensor& embeddings) {
  const std::shared_ptr<const Tensor> table = table_of(embeddings);
  const StoredTensor* const mapping = find(tensors, "mapping");
  const StoredTensor* const weights = find(tensors, "weights");
  if (mapping == nullptr && weights == nullptr) return table;
  const int64_t n = table->shape()[1];
  std::vector<int64_t> rows;
  if (mapping != nullptr) rows = rows_of(*mapping, table->shape()[0]);
  const int64_t ids = mapping != nullptr ? mapping->sizes[0] : table->shape()[0];
  std::vector<double> factors(static_cast<size_t>(ids), 1.0);
  if (weights != nullptr) factors = weights_of(*weights, ids);
  Tensor made(DType::kF32, Shape{ids, n});
  const auto out = made.mutable_as<float>();
  for (int64_t id = 0; id < ids; ++id) {
    const auto at = static_cast<size_t>(id);
    const int64_t row = rows.empty() ? id : rows[at];
    const auto to = out.subspan(at * static_cast<size_t>(n), static_cast<size_t>(n));
    copy_float32(table->rows(row, row + 1).view(), to);
    for (float& value : to) value = static_cast<float>(value * factors[at]);
  }
  if (!first_non_finite(made.view())) return std::make_shared<const Tensor>(std::move(made));
  fail(ErrorCode::kCorruptData, embeddings.source, ": tensor \"weights\" makes rows of \"",
       kModel2Vec, "\" that are not finite in F32");
}

}  // namespace

std::shared_ptr<const Tensor> read_static_embedding(const fs::path& folder) {
  const Stored tensors = read_weights(folder);
  const StoredTensor* const own = find(tensors, kOwn);
  if (own == nullptr) {
    const StoredTensor* const embeddings = find(tensors, kModel2Vec);
    if (embeddings != nullptr) return folded(tensors, *embeddings);
    fail(ErrorCode::kNotFound, folder.string(), ": no tensor \"", kOwn, "\" or \"", kModel2Vec,
         "\" in the weights of a StaticEmbedding");
  }
  for (const std::string_view name : {"mapping", "weights"}) {
    if (find(tensors, name) == nullptr) continue;
    fail(ErrorCode::kUnsupported, own->source, ": tensor \"", name, "\" beside \"", kOwn,
         "\", which sentence-transformers passes over and model2vec applies; accepted is beside \"",
         kModel2Vec, "\"");
  }
  return table_of(*own);
}

}  // namespace tamis
