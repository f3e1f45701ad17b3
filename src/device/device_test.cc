#include "device/device.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tamis::device {
namespace {

TEST(Device, NamesReadBack) {
  for (const char* name : {"cpu", "cuda:0", "cuda:7"}) {
    EXPECT_EQ(device_name(device_from_name(name)), name);
  }
  EXPECT_EQ(device_from_name("cuda"), (Device{DeviceKind::kCuda, 0}));
}

TEST(Device, RefusesOtherNames) {
  for (const char* name : {"", "gpu", "cpu:1", "cuda:", "cuda:-1", "cuda:1x", "cuda:99999999999"}) {
    try {
      (void)device_from_name(name);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << name;
      EXPECT_NE(std::string(error.what()).find("must be cpu, cuda or cuda:N"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace tamis::device
