// Recorded answers, which are committed as .gz.
//
// Is: the only place that reads them. Is not: for library code. May use: zlib.
#pragma once

#include <zlib.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace tamis::test {

/// What gzip -d gives. Throws std::runtime_error for a file that is absent, cut off or damaged.
inline std::string read_gzip(const std::filesystem::path& path) {
  const gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) throw std::runtime_error("cannot open " + path.string());
  std::string text;
  char part[1 << 15];
  int count = 0;
  while ((count = gzread(file, part, sizeof(part))) > 0) {
    text.append(part, static_cast<size_t>(count));
  }
  if (gzclose_r(file) != Z_OK || count < 0) throw std::runtime_error(path.string() + " is damaged");
  return text;
}

}  // namespace tamis::test
