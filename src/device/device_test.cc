#include "device/device.h"

#include <gtest/gtest.h>

namespace tamis::device {
namespace {

TEST(Device, NamesItsKindAndIndex) {
  EXPECT_EQ(device_name({}), "cpu");
  EXPECT_EQ(device_name({DeviceKind::kCuda, 0}), "cuda:0");
  EXPECT_EQ(device_name({DeviceKind::kCuda, 7}), "cuda:7");
}

}  // namespace
}  // namespace tamis::device
