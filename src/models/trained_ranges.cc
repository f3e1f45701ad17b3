#include "models/trained_ranges.h"

#include <cmath>

#include "base/error.h"
#include "base/json.h"

namespace tamis::models {

namespace {

constexpr std::string_view kSuffix = "._amax";

bool is_float(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 ||
         dtype == DType::kF64;
}

// One range, or one for each row: [], [1], [rows], [rows, 1].
bool is_range_shape(const Shape& shape) {
  return shape.rank() <= 1 || (shape.rank() == 2 && shape[1] == 1);
}

std::vector<float> read_range(const Checkpoint& checkpoint, const std::string& name) {
  const TensorView view = *checkpoint.find(name);
  const std::string what =
      cat(checkpoint.folder().string(), ": tensor ", json_quote(name.substr(0, 200)));
  if (!is_float(view.dtype()) || !is_range_shape(view.shape()) || view.elements() == 0) {
    fail(ErrorCode::kCorruptData, what, " is ", dtype_name(view.dtype()), view.shape().to_string(),
         "; expected F32, F16, BF16 or F64: one range, or one for each output row");
  }
  const Tensor values = to_float32(view);
  std::vector<float> amax(values.as<float>().begin(), values.as<float>().end());
  for (const float value : amax) {
    if (std::isnan(value) || (value >= 0 && std::isfinite(value))) continue;
    fail(ErrorCode::kCorruptData, what, " holds ", value,
         "; a range is 0 or more, and NaN if its quantizer is off");
  }
  return amax;
}

// Whether the quantizer is of a linear layer that lies in the checkpoint and was not read.
bool is_of_unread_layer(const Checkpoint& checkpoint, std::string_view quantizer,
                        const std::set<std::string>& used) {
  const std::string weight = cat(quantizer.substr(0, quantizer.rfind('.')), ".weight");
  return checkpoint.has(weight) && !used.contains(weight);
}

}  // namespace

bool is_trained_range(std::string_view tensor) { return tensor.ends_with(kSuffix); }

graph::TrainedRanges read_trained_ranges(const Checkpoint& checkpoint, std::string_view prefix,
                                         const std::set<std::string>& used) {
  graph::TrainedRanges ranges;
  ranges.prefix = prefix;
  ranges.source = checkpoint.folder().string();
  for (const std::string& name : checkpoint.names()) {
    if (!is_trained_range(name)) continue;
    std::string quantizer = name.substr(0, name.size() - kSuffix.size());
    if (is_of_unread_layer(checkpoint, quantizer, used)) ranges.of_unread_layers.insert(quantizer);
    ranges.amax[std::move(quantizer)] = read_range(checkpoint, name);
  }
  return ranges;
}

}  // namespace tamis::models
