#include "device/device_option.h"

#include "base/error.h"

namespace tamis::device {

Device device_from_name(std::string_view name) {
  constexpr std::string_view kCuda = "cuda";
  constexpr size_t kMostDigits = 4;
  if (name == "cpu") return {};
  if (name == kCuda) return {DeviceKind::kCuda, 0};
  const std::string_view digits = name.starts_with("cuda:") ? name.substr(kCuda.size() + 1) : "";
  const bool number = !digits.empty() && digits.size() <= kMostDigits &&
                      digits.find_first_not_of("0123456789") == digits.npos;
  if (!number) {
    fail(ErrorCode::kInvalidArgument, "device \"", name, "\": must be cpu, cuda or cuda:N");
  }
  int32_t index = 0;
  for (const char digit : digits) index = index * 10 + (digit - '0');
  return {DeviceKind::kCuda, index};
}

}  // namespace tamis::device
