// SHA-256, for the hashes in a bundle's manifest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace tamis {

struct HashedFile {
  int64_t bytes = 0;
  std::string sha256;  ///< 64 lower-case hex digits
};

/// Reads the file once, in pieces. Throws Error: kNotFound, kInvalidArgument (a folder),
/// kUnavailable.
[[nodiscard]] HashedFile hash_file(const std::filesystem::path& path);

}  // namespace tamis
