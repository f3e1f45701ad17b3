// Bytes as standard base64 with padding.
#pragma once

#include <string>
#include <string_view>

namespace tamis {

[[nodiscard]] std::string encode_base64(std::string_view bytes);

}  // namespace tamis
