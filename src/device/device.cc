#include "device/device.h"

#include "base/error.h"

namespace tamis::device {

std::string device_name(const Device& device) {
  return device.kind == DeviceKind::kCpu ? std::string("cpu") : cat("cuda:", device.index);
}

}  // namespace tamis::device
