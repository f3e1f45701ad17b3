#include "tensor/widened.h"

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

Tensor multiplied_out(const Tensor& rows, const Tensor& scales) {
  Tensor out(DType::kF32, rows.shape());
  const auto q = rows.as<int8_t>();
  const auto scale = scales.as<float>();
  const auto y = out.mutable_as<float>();
  const size_t n = scale.empty() ? 1 : q.size() / scale.size();
  for (size_t at = 0; at < y.size(); ++at) y[at] = scale[at / n] * static_cast<float>(q[at]);
  return out;
}

}  // namespace tamis
