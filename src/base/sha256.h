// SHA-256, for the hashes in a bundle's manifest and what a run was begun with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace tamis {

struct HashedFile {
  int64_t bytes = 0;
  std::string sha256;  ///< 64 lower-case hex digits
};

/// Reads the file once, in pieces. Throws Error: kNotFound, kInvalidArgument (a folder),
/// kUnavailable.
[[nodiscard]] HashedFile hash_file(const std::filesystem::path& path);

/// 64 lower-case hex digits.
[[nodiscard]] std::string sha256_of(std::string_view bytes);

}  // namespace tamis
