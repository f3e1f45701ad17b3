#include "kernels/cpu/fake_quantize/fake_quantize.h"

#include <algorithm>

#include "base/error.h"

namespace tamis::kernels {

using reference::RowToQuantize;

namespace {

template <typename Function>
void for_each(const RowToQuantize& row, float* out, const Function& function) {
  for (size_t j = 0; j < row.x.size(); ++j) out[j] = function(row.y(j));
}

}  // namespace

FakeQuantizer::FakeQuantizer(QuantScheme scheme, float low, float high, IsaSet isas)
    : scheme_(scheme),
      per_token_u8_(&select_quantize_rows(isas)),
      s8_scale_(reference::static_s8_scale(high)),
      u8_(reference::static_u8(low, high)) {}

void FakeQuantizer::run(const RowToQuantize& row, std::span<const int32_t> outliers, float* out,
                        std::byte* levels) const {
  const size_t n = row.x.size();
  switch (scheme_) {
    case QuantScheme::kPerTokenU8: {
      const auto* q = reinterpret_cast<const uint8_t*>(levels);
      float scale = 0;
      float low = 0;
      QuantizeRowsArgs args;
      args.rows = 1;
      args.width = args.ldx = static_cast<int64_t>(n);
      args.x = row.x.data();
      args.multiply = row.multiplier;
      args.offset = row.offset;
      args.q = reinterpret_cast<uint8_t*>(levels);
      args.ldq = (args.width + 3) / 4 * 4;
      args.scale = &scale;
      args.low = &low;
      if (n > 0) per_token_u8_->run(args);
      for (size_t j = 0; j < n; ++j) out[j] = scale * static_cast<float>(q[j]) + low;
      break;
    }
    case QuantScheme::kPerTokenS8: {
      const std::span<int8_t> q(reinterpret_cast<int8_t*>(levels), n);
      const float scale = reference::quantize_row_s8(row, q);
      for (size_t j = 0; j < n; ++j) out[j] = scale * static_cast<float>(q[j]);
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
  for (const int32_t j : outliers) out[j] = row.x[static_cast<size_t>(j)];
}

void FakeQuantizer::run_probabilities(std::span<float> p, std::byte* levels) const {
  if (scheme_ == QuantScheme::kPerTokenU8) return reference::fake_quantize_probabilities(p);
  run({p, nullptr, nullptr}, {}, p.data(), levels);
}

}  // namespace tamis::kernels
