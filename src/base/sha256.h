// SHA-256, for the hashes in a bundle's manifest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace tamis {

/// 64 lower-case hex digits.
[[nodiscard]] std::string sha256_hex(std::span<const std::byte> bytes);

struct HashedFile {
  int64_t bytes = 0;
  std::string sha256;
};

/// Reads the file once, in pieces. Throws Error: kNotFound, kInvalidArgument (a folder),
/// kUnavailable.
[[nodiscard]] HashedFile hash_file(const std::filesystem::path& path);

}  // namespace tamis
