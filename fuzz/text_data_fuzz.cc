// Any bytes as .txt, .tsv, .jsonl (by the first byte) and as .npy: rows, or kCorruptData
// (.npy also kUnsupported).
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"
#include "formats/npy.h"
#include "formats/text_data.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    if (data[0] == 'n') {
      (void)tamis::parse_npy({reinterpret_cast<const std::byte*>(text.data()), text.size()},
                             "fuzz");
      return 0;
    }
    const auto format = data[0] == 't'   ? tamis::TextFormat::kTsv
                        : data[0] == 'j' ? tamis::TextFormat::kJsonl
                                         : tamis::TextFormat::kTxt;
    int64_t line = 0;
    for (const tamis::TextRow& row : tamis::parse_text_data(text, format, "fuzz")) {
      TAMIS_CHECK(row.line > line);
      line = row.line;
      TAMIS_CHECK(row.text || (row.question && row.context) || row.query ||
                  format == tamis::TextFormat::kJsonl);
    }
  } catch (const tamis::Error& error) {
    const bool refusal = error.code() == tamis::ErrorCode::kCorruptData ||
                         (data[0] == 'n' && error.code() == tamis::ErrorCode::kUnsupported);
    if (!refusal) throw;
  }
  return 0;
}
