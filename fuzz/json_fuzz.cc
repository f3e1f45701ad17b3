// Any bytes either parse, and then print and parse again to the same text, or are kCorruptData.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string printed;
  try {
    const tamis::JsonDocument document = tamis::JsonDocument::parse(text, "fuzz");
    tamis::JsonWriter writer;
    writer.value(document.root());
    printed = writer.take();
  } catch (const tamis::Error& error) {
    if (error.code() != tamis::ErrorCode::kCorruptData) throw;
    return 0;
  }
  const tamis::JsonDocument again = tamis::JsonDocument::parse(printed, "printed");
  tamis::JsonWriter writer;
  writer.value(again.root());
  TAMIS_CHECK(writer.str() == printed);
  return 0;
}
