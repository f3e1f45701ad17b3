#include "engines/cuda/constants.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace tamis::engines::cuda {

namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kPieceBytes = size_t{8} << 20;  // that is copied at once

}  // namespace

size_t Constants::place(const Tensor* tensor, Form form, size_t bytes, Writer write) {
  if (tensor != nullptr) {
    const auto found = known_.find({tensor, form, bytes});
    if (found != known_.end()) return found->second;
  }
  const size_t offset = bytes_;
  bytes_ += (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  entries_.push_back({offset, bytes, std::move(write)});
  if (tensor != nullptr) known_[{tensor, form, bytes}] = offset;
  return offset;
}

size_t Constants::place_tensor(const std::shared_ptr<const Tensor>& tensor) {
  return place(tensor.get(), Form::kAsItIs, tensor->size_bytes(), [tensor](std::byte* to) {
    std::memcpy(to, tensor->view().data(), tensor->size_bytes());
    tensor->release_pages();
  });
}

Constant<float> Constants::zeros(int64_t n) {
  const auto enough = zeros_.lower_bound(n);
  if (enough != zeros_.end()) return enough->second;
  return zeros_[n] = add(std::vector<float>(static_cast<size_t>(n)));
}

device::cuda::DeviceBuffer Constants::upload(
    const std::shared_ptr<device::cuda::CudaDevice>& device) {
  if (const size_t free = device->free_bytes(); free < bytes_) {
    fail(ErrorCode::kOutOfMemory, device->name(), ": the weights need ", bytes_,
         " bytes of device memory, ", free, " are free");
  }
  device::cuda::DeviceBuffer block(device, bytes_);
  device::cuda::Stream stream(device);
  const device::cuda::PinnedBuffer staging(device, std::min(kPieceBytes, bytes_));
  std::vector<std::byte> made;
  for (Entry& entry : entries_) {
    made.resize(entry.bytes);
    entry.write(made.data());
    entry.write = nullptr;
    for (size_t begin = 0; begin < entry.bytes; begin += staging.size()) {
      const size_t count = std::min(staging.size(), entry.bytes - begin);
      std::memcpy(staging.data(), made.data() + begin, count);
      stream.copy_to_device(block.data() + entry.offset + begin, staging.data(), count);
      stream.wait();
    }
  }
  entries_.clear();
  known_.clear();
  return block;
}

}  // namespace tamis::engines::cuda
