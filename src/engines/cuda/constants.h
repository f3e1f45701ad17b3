// What a plan reads from the card's memory and never writes: weights, biases, tables.
//
// Is: their places in one block, each made once however often it is asked for, and the copy to the
// card. Is not: a choice of what they are. May use: device/cuda, tensor.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "device/cuda/stream.h"
#include "tensor/tensor.h"

namespace tamis::engines::cuda {

/// Elements of T in the block.
template <typename T>
struct Constant {
  static constexpr size_t kNone = ~size_t{0};
  size_t offset = kNone;

  [[nodiscard]] bool there() const { return offset != kNone; }
};

/// Forms of one tensor that are different constants.
enum class Form : uint8_t {
  kAsItIs,
  kWidened,
  kS8,
  kS8Scales,
  kS8Sums,
  kB16,
  kOutlierWeights,
  kBias
};

/// Not thread-safe.
class Constants {
 public:
  using Writer = std::function<void(std::byte*)>;

  /// `bytes` that `write` fills when the block is copied. The same tensor in the same form is the
  /// same constant; no tensor: a constant of its own.
  template <typename T>
  [[nodiscard]] Constant<T> add(const Tensor* tensor, Form form, size_t bytes, Writer write) {
    return {place(tensor, form, bytes, std::move(write))};
  }
  /// The tensor's bytes.
  template <typename T>
  [[nodiscard]] Constant<T> add(const std::shared_ptr<const Tensor>& tensor) {
    return {place_tensor(tensor)};
  }
  /// Values of the plan's own.
  template <typename T>
  [[nodiscard]] Constant<T> add(std::vector<T> values) {
    const size_t bytes = values.size() * sizeof(T);
    return add<T>(nullptr, Form::kAsItIs, bytes, [kept = std::move(values), bytes](std::byte* to) {
      std::copy_n(reinterpret_cast<const std::byte*>(kept.data()), bytes, to);
    });
  }
  /// n zeros, enough for all who ask.
  [[nodiscard]] Constant<float> zeros(int64_t n);

  [[nodiscard]] size_t bytes() const { return bytes_; }
  /// Makes the block on the card and forgets the writers. Throws kOutOfMemory saying how much is
  /// needed and how much is free; kUnavailable.
  [[nodiscard]] device::cuda::DeviceBuffer upload(
      const std::shared_ptr<device::cuda::CudaDevice>& device);

 private:
  struct Entry {
    size_t offset = 0;
    size_t bytes = 0;
    Writer write;
  };

  size_t place(const Tensor* tensor, Form form, size_t bytes, Writer write);
  size_t place_tensor(const std::shared_ptr<const Tensor>& tensor);

  std::vector<Entry> entries_;
  // By size too: a table of biases is spread as far as its node asks.
  std::map<std::tuple<const Tensor*, Form, size_t>, size_t> known_;
  std::map<int64_t, Constant<float>> zeros_;
  size_t bytes_ = 0;
};

}  // namespace tamis::engines::cuda
