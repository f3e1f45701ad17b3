// Any bytes either are a SentencePiece model, whose charsmap then parses or is refused, or are
// kCorruptData.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "tokenizer/convert/sentencepiece.h"
#include "tokenizer/normalizers/charsmap.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const auto model = tamis::tokenizer::parse_sentencepiece(bytes, "fuzz");
    const auto map = tamis::tokenizer::Charsmap::parse(model.charsmap, "fuzz");
    for (const auto& piece : model.pieces) (void)map.find(piece.text);
  } catch (const tamis::Error& error) {
    if (error.code() != tamis::ErrorCode::kCorruptData) throw;
  }
  return 0;
}
