// SHA-256, for the hashes in a bundle's manifest.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace tamis {

/// 64 lower-case hex digits.
[[nodiscard]] std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace tamis
