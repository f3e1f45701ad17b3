// A device as users name it.
#pragma once

#include <string_view>

#include "device/device.h"

namespace tamis::device {

/// Of "cpu", "cuda" (the first) or "cuda:N". Throws Error{kInvalidArgument} naming these.
[[nodiscard]] Device device_from_name(std::string_view name);

}  // namespace tamis::device
