#include "tensor/widened.h"

#include "base/bf16.h"

namespace tamis {

bool is_stored_float(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

std::shared_ptr<const Tensor> widened(std::shared_ptr<const Tensor> tensor) {
  if (tensor->dtype() == DType::kF32) return tensor;
  auto values = std::make_shared<const Tensor>(to_float32(tensor->view()));
  tensor->release_pages();
  return values;
}

uint16_t to_16_bits(float value, DType type) {
  return type == DType::kF16 ? float_to_f16(value) : float_to_bf16(value);
}

float from_16_bits(uint16_t bits, DType type) {
  return type == DType::kF16 ? f16_to_float(bits) : bf16_to_float(bits);
}

void multiply_out(std::span<const int8_t> integers, std::span<const float> scales,
                  std::span<float> out) {
  const size_t n = scales.empty() ? 0 : integers.size() / scales.size();
  for (size_t row = 0; row < scales.size(); ++row) {
    for (size_t at = row * n; at < (row + 1) * n; ++at) {
      out[at] = scales[row] * static_cast<float>(integers[at]);
    }
  }
}

Tensor multiplied_out(const Tensor& rows, const Tensor& scales) {
  Tensor out(DType::kF32, rows.shape());
  multiply_out(rows.as<int8_t>(), scales.as<float>(), out.mutable_as<float>());
  return out;
}

}  // namespace tamis
