// Any text as a reranker's chat template: text with places, or kUnsupported.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "formats/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const bool prompt : {false, true}) {
    try {
      static_cast<void>(tamis::parse_pair_template(text, "fuzz", prompt));
    } catch (const tamis::Error& error) {
      if (error.code() != tamis::ErrorCode::kUnsupported) throw;
    }
  }
  return 0;
}
