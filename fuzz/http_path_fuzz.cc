// Any path is decoded or refused, and matches the routes' patterns or not; what a pattern's places
// stand for is part of the path.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/percent.h"
#include "serve/path_pattern.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string path;
  if (!tamis::percent_decode(text, path)) return 0;
  constexpr std::string_view kPatterns[] = {
#define X(method, pattern, function, dialect, open) pattern,
#include "serve/routes.inc"
#undef X
  };
  for (const std::string_view pattern : kPatterns) {
    const auto found = tamis::serve::match_path(pattern, path);
    if (!found) continue;
    for (const std::string& part : {found->model, found->version, found->task}) {
      if (path.find(part) == std::string::npos) std::abort();
    }
  }
  return 0;
}
