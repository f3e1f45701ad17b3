#include "runtime/fake_quantize.h"

#include <algorithm>

#include "base/error.h"

namespace tamis::runtime {

namespace reference = kernels::reference;
using graph::QuantScheme;
using reference::RowToQuantize;

namespace {

template <typename Function>
void for_each(const RowToQuantize& row, float* out, const Function& function) {
  for (size_t j = 0; j < row.x.size(); ++j) out[j] = function(row.y(j));
}

}  // namespace

FakeQuantizer::FakeQuantizer(const graph::FakeQuantizeAttributes& attributes)
    : scheme_(attributes.scheme),
      s8_scale_(reference::static_s8_scale(attributes.high)),
      u8_(reference::static_u8(attributes.low, attributes.high)) {}

void FakeQuantizer::run(const RowToQuantize& row, float* out, std::byte* levels) const {
  constexpr size_t kMostOutliers = 8;
  float kept[kMostOutliers] = {};
  for (size_t c = 0; c < row.outliers.size(); ++c) {
    kept[c] = row.x[static_cast<size_t>(row.outliers[c])];
  }
  const size_t n = row.x.size();
  switch (scheme_) {
    case QuantScheme::kPerTokenU8: {
      const std::span<uint8_t> q(reinterpret_cast<uint8_t*>(levels), n);
      const reference::RowRange range = reference::quantize_row_u8(row, q);
      for (size_t j = 0; j < n; ++j) out[j] = range.scale * static_cast<float>(q[j]) + range.low;
      break;
    }
    case QuantScheme::kPerTokenS8: {
      const std::span<int8_t> q(reinterpret_cast<int8_t*>(levels), n);
      const reference::RowRange range = reference::quantize_row_s8(row, q);
      for (size_t j = 0; j < n; ++j) out[j] = range.scale * static_cast<float>(q[j]);
      break;
    }
    case QuantScheme::kStaticS8:
      for_each(row, out, [this](float y) {
        return s8_scale_ * static_cast<float>(reference::quantize_static_s8(y, s8_scale_));
      });
      break;
    case QuantScheme::kStaticU8:
      for_each(row, out, [this](float y) {
        const int32_t q = reference::quantize_static_u8(y, u8_);
        return u8_.scale * static_cast<float>(q - u8_.zero);
      });
      break;
    case QuantScheme::kPerChannelS8:
      TAMIS_CHECK(false);  // of weights, which are constants
  }
  for (size_t c = 0; c < row.outliers.size(); ++c) out[row.outliers[c]] = kept[c];
}

void FakeQuantizer::run_probabilities(std::span<float> p, std::byte* levels) const {
  if (scheme_ == QuantScheme::kPerTokenU8) return reference::fake_quantize_probabilities(p);
  run({p, nullptr, nullptr, {}}, p.data(), levels);
}

graph::FakeQuantizeAttributes fake_quantize_attributes(const graph::Quantizer& mark) {
  graph::FakeQuantizeAttributes attributes;
  attributes.scheme = mark.scheme;
  const bool is_static =
      mark.scheme == QuantScheme::kStaticS8 || mark.scheme == QuantScheme::kStaticU8;
  if (!is_static) return attributes;
  if (!mark.low || !mark.high) {
    fail(ErrorCode::kInvalidArgument, "simulation: the quantizer \"", mark.names[0],
         "\" is on and static but has no range; calibrate it or switch it off");
  }
  attributes.low = *mark.low;
  attributes.high = *mark.high;
  return attributes;
}

}  // namespace tamis::runtime
