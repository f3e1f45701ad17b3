// Which piece of hardware something lies on or runs on.
//
// Is: a name. Is not: memory, or a connection to the device. May use: tensor.
#pragma once

#include <cstdint>
#include <string>

namespace tamis::device {

enum class DeviceKind : uint8_t { kCpu, kCuda };

/// A value type.
struct Device {
  DeviceKind kind = DeviceKind::kCpu;
  int32_t index = 0;  ///< among those of its kind

  friend bool operator==(const Device&, const Device&) = default;
};

/// "cpu", "cuda:0".
[[nodiscard]] std::string device_name(const Device& device);

}  // namespace tamis::device
