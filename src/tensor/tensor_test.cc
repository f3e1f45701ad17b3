#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include "tensor/arena.h"

namespace tamis {
namespace {

TEST(Shape, CountsAndPrints) {
  EXPECT_EQ(Shape({2, 3}).elements(), 6);
  EXPECT_EQ(Shape().elements(), 1);
  EXPECT_EQ(Shape({2, 0, 5}).elements(), 0);
  EXPECT_EQ(Shape({2, 3}).to_string(), "[2, 3]");
  EXPECT_NE(Shape({2, 3}), Shape({3, 2}));
}

TEST(DType, NamesRoundTrip) {
  for (int i = 0; i <= static_cast<int>(DType::kBool); ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(dtype_from_name(dtype_name(dtype)), dtype);
  }
  EXPECT_EQ(dtype_from_name("F8_E4M3"), std::nullopt);
}

TEST(Tensor, OwnsAlignedZeroedMemory) {
  Tensor tensor(DType::kF32, {3, 5});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.view().data()) % 64, 0u);
  for (const float value : tensor.as<float>()) EXPECT_EQ(value, 0.0f);
  tensor.mutable_as<float>()[14] = 2.0f;
  EXPECT_EQ(tensor.as<float>()[14], 2.0f);
  EXPECT_THROW((void)tensor.as<double>(), Error);
}

TEST(Tensor, SliceKeepsItsKeeperAlive) {
  auto keeper = std::make_shared<std::vector<float>>(4, 1.5f);
  const std::weak_ptr<std::vector<float>> watch = keeper;
  {
    const float* data = keeper->data();
    Tensor slice(TensorView(DType::kF32, {4}, data), std::move(keeper));
    EXPECT_FALSE(watch.expired());
    EXPECT_EQ(slice.as<float>()[3], 1.5f);
    EXPECT_THROW((void)slice.mutable_as<float>(), Error);
  }
  EXPECT_TRUE(watch.expired());
}

TEST(Tensor, ConvertsToFloat) {
  const uint16_t halves[] = {0x3c00, 0xc000};
  const Tensor f16 = to_float32(TensorView(DType::kF16, {2}, halves));
  EXPECT_EQ(f16.as<float>()[0], 1.0f);
  EXPECT_EQ(f16.as<float>()[1], -2.0f);
  const int64_t longs[] = {-7};
  EXPECT_EQ(to_float32(TensorView(DType::kI64, {1}, longs)).as<float>()[0], -7.0f);
  // An odd address: as in a mapped file.
  alignas(8) unsigned char bytes[9] = {0, 0, 0, 0xc0, 0x3f};
  EXPECT_EQ(to_float32(TensorView(DType::kF32, {1}, bytes + 1)).as<float>()[0], 1.5f);
  EXPECT_THROW((void)to_float32(TensorView(DType::kBool, {1}, bytes)), Error);
}

TEST(AlignedBuffer, RefusesWhatCannotBe) {
  EXPECT_THROW(AlignedBuffer(size_t{1} << 60), Error);
  AlignedBuffer buffer;
  buffer.reserve(100);
  std::byte* data = buffer.data();
  buffer.reserve(50);
  EXPECT_EQ(buffer.data(), data);
  buffer.reserve(size_t{4} << 20);
  EXPECT_GE(buffer.size(), size_t{4} << 20);
}

}  // namespace
}  // namespace tamis
