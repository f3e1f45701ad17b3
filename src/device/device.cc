#include "device/device.h"

#include <charconv>

#include "base/error.h"

namespace tamis::device {

std::string device_name(const Device& device) {
  return device.kind == DeviceKind::kCpu ? std::string("cpu") : cat("cuda:", device.index);
}

Device device_from_name(std::string_view name) {
  if (name == "cpu") return {};
  if (name == "cuda") return {DeviceKind::kCuda, 0};
  constexpr std::string_view kCuda = "cuda:";
  Device device{DeviceKind::kCuda, -1};
  if (name.starts_with(kCuda)) {
    const char* end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data() + kCuda.size(), end, device.index);
    if (error == std::errc() && rest == end && device.index >= 0) return device;
  }
  fail(ErrorCode::kInvalidArgument, "device \"", name, "\": must be cpu, cuda or cuda:N");
}

}  // namespace tamis::device
