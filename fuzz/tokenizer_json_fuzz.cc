// Any bytes either load as a tokenizer, which then encodes and decodes a few texts, or are refused.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "tokenizer/tokenizer.h"

namespace {

using tamis::tokenizer::EncodeOptions;
using tamis::tokenizer::Encoding;
using tamis::tokenizer::TextInput;
using tamis::tokenizer::Tokenizer;

void check(const Encoding& encoding, std::string_view first, std::string_view second) {
  const auto longest = static_cast<int32_t>(first.size() + second.size());
  TAMIS_CHECK(encoding.offsets.size() == encoding.ids.size());
  for (const auto& span : encoding.offsets) {
    TAMIS_CHECK(0 <= span.start && span.start <= span.end && span.end <= longest);
  }
}

void use(const Tokenizer& tokenizer) {
  constexpr std::string_view kTexts[] = {
      "", "Hello, world!",
      "  \t<s>[CLS] a\xCC\x81 \xE4\xB8\xAD\xE6\x96\x87 \xF0\x9F\x98\x80'll 123",
      "\xE2\x96\x81x\r\n\xE0\xA4\x95\xE0\xA5\x8D\xE0\xA4\xB7"};
  for (const std::string_view text : kTexts) {
    try {
      const Encoding encoding = tokenizer.encode(text);
      check(encoding, text, "");
      (void)tokenizer.decode(encoding.ids, true);
      EncodeOptions options;
      options.max_length = 6;
      options.stride = 1;
      options.return_overflowing = true;
      options.tokens = true;
      check(tokenizer.encode(TextInput{text, kTexts[1]}, options), text, kTexts[1]);
    } catch (const tamis::Error& error) {
      if (error.code() == tamis::ErrorCode::kInternal) throw;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    use(Tokenizer::load_json(text, "fuzz"));
  } catch (const tamis::Error& error) {
    if (error.code() == tamis::ErrorCode::kInternal) throw;
  }
  return 0;
}
