// Zip archives made of parts, whole or damaged on purpose.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tamis {

struct ZipPart {
  std::string name;
  std::string contents;
  uint16_t method = 0;
  uint16_t flags = 0;
  std::string packed = {};     // empty: contents
  uint32_t claimed_bytes = 0;  // 0: contents.size()
  std::string extra = {};      // of the directory entry
};

/// What zlib makes of the text, without its header.
std::string deflated(const std::string& text);

std::string zip_bytes(const std::vector<ZipPart>& parts, std::string_view comment = {});

}  // namespace tamis
