#include "engines/cuda/angles.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/reference/reference.h"

namespace tamis::engines::cuda {

bool Angles::is_of(const Tensor* frequencies, const graph::RotaryAttributes& fields) const {
  return frequencies_.get() == frequencies && fields_.interleaved == fields.interleaved &&
         fields_.scale == fields.scale;
}

void Angles::reserve(const std::shared_ptr<device::cuda::CudaDevice>& device, int64_t places) {
  constexpr int64_t kLeast = 512;
  if (const Table* known = table(); known != nullptr && known->places >= places) return;
  const std::lock_guard lock(mutex_);
  if (!tables_.empty() && tables_.back()->places >= places) return;
  const int64_t rows =
      static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max(places, kLeast))));
  const auto elements = static_cast<size_t>(rows * sets() * stride());
  auto table = std::make_unique<Table>();
  table->memory = device::cuda::DeviceBuffer(device, 2 * elements * sizeof(float));
  const device::cuda::PinnedBuffer made(device, 2 * elements * sizeof(float));
  auto* cosine = reinterpret_cast<float*>(made.data());
  kernels::reference::rotary_table({0, rows, frequencies_->elements() / sets(), fields_.interleaved,
                                    frequencies_->as<float>().data(), fields_.scale, cosine,
                                    cosine + elements, sets()});
  device::cuda::Stream stream(device);
  stream.copy_to_device(table->memory.data(), made.data(), made.size());
  stream.wait();
  table->places = rows;
  table->cosine = reinterpret_cast<const float*>(table->memory.data());
  table->sine = table->cosine + elements;
  tables_.push_back(std::move(table));
  newest_.store(tables_.back().get(), std::memory_order_release);
}

}  // namespace tamis::engines::cuda
