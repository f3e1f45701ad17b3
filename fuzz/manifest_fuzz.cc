// Any bytes as tamis.json: a manifest that is written and read again unchanged, or kCorruptData, or
// kUnsupported.
#include "model/manifest.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tamis::api;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string written;
  try {
    written = write_manifest(parse_manifest(text, "fuzz"));
  } catch (const tamis::Error& error) {
    if (error.code() != tamis::ErrorCode::kCorruptData &&
        error.code() != tamis::ErrorCode::kUnsupported) {
      throw;
    }
    return 0;
  }
  TAMIS_CHECK(write_manifest(parse_manifest(written, "written")) == written);
  return 0;
}
