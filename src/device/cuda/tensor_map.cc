#include "device/cuda/tensor_map.h"

#include <algorithm>

#include "base/error.h"

namespace tamis::device::cuda {

namespace {

// Of CUtensorMapDataType, -Interleave, -Swizzle, -L2promotion and -FloatOOBfill.
constexpr int kBytes = 0;
constexpr int kNoInterleave = 0;
constexpr int kSwizzle128 = 3;
constexpr int kPromote256 = 3;
constexpr int kZeros = 0;
constexpr unsigned kBoxBytes = 128;

}  // namespace

std::array<uint64_t, 16> map_boxes(const CudaDevice& device, const BoxedRows& rows) {
  const Driver& driver = device.driver();
  if (driver.tensor_map_encode == nullptr) {
    fail(ErrorCode::kUnavailable, device.name(),
         ": the NVIDIA driver has no cuTensorMapEncodeTiled");
  }
  alignas(64) std::array<uint64_t, 16> map = {};
  const unsigned long long sizes[] = {static_cast<unsigned long long>(rows.row_bytes),
                                      static_cast<unsigned long long>(rows.rows)};
  const auto stride = static_cast<unsigned long long>(rows.stride);
  const unsigned box[] = {kBoxBytes, static_cast<unsigned>(rows.box_rows)};
  const unsigned steps[] = {1, 1};
  device.check(driver.tensor_map_encode(map.data(), kBytes, 2, const_cast<std::byte*>(rows.data),
                                        sizes, &stride, box, steps, kNoInterleave, kSwizzle128,
                                        kPromote256, kZeros),
               "describing a matrix");
  return map;
}

}  // namespace tamis::device::cuda
