#include "device/device.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "device/device_option.h"

namespace tamis::device {
namespace {

TEST(Device, NamesItsKindAndIndex) {
  EXPECT_EQ(device_name({}), "cpu");
  EXPECT_EQ(device_name({DeviceKind::kCuda, 0}), "cuda:0");
  EXPECT_EQ(device_name({DeviceKind::kCuda, 7}), "cuda:7");
}

TEST(Device, IsReadFromItsName) {
  EXPECT_EQ(device_from_name("cpu"), Device{});
  EXPECT_EQ(device_from_name("cuda"), (Device{DeviceKind::kCuda, 0}));
  EXPECT_EQ(device_from_name("cuda:12"), (Device{DeviceKind::kCuda, 12}));
  for (const char* name :
       {"", "gpu", "cuda:", "cuda:-1", "cuda:1x", "cuda:12345", "CUDA", "cpu:0"}) {
    try {
      (void)device_from_name(name);
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(ErrorCode::kInvalidArgument));
      EXPECT_NE(std::string(error.what()).find("must be cpu, cuda or cuda:N"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace tamis::device
