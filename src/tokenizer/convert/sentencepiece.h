// SentencePiece model files.
//
// Is: a bounded reader of the few protobuf fields that matter here. Is not: protobuf; unknown
// fields are skipped. May use: base.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tamis::tokenizer {

enum class SentencePieceType : int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

/// Algorithms that are read.
inline constexpr int32_t kUnigramPieces = 1;
inline constexpr int32_t kBpePieces = 2;

/// Views into the bytes it was parsed from.
struct SentencePieceModel {
  struct Piece {
    std::string_view text;
    float score = 0;
    SentencePieceType type = SentencePieceType::kNormal;
  };
  std::vector<Piece> pieces;
  std::string_view charsmap;
  /// 1 unigram, 2 bpe, 3 word, 4 char.
  int32_t algorithm = kUnigramPieces;
  /// Negative: none.
  int32_t unk_id = 0;
  int32_t bos_id = 1;
  int32_t eos_id = 2;
  std::string_view unk_piece = "<unk>";
  std::string_view bos_piece = "<s>";
  std::string_view eos_piece = "</s>";
  bool byte_fallback = false;
  /// How it normalizes a text.
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

/// Throws Error{kCorruptData} naming the byte where the file stops making sense.
[[nodiscard]] SentencePieceModel parse_sentencepiece(std::string_view bytes,
                                                     const std::string& source);

}  // namespace tamis::tokenizer
