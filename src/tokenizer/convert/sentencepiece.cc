#include "tokenizer/convert/sentencepiece.h"

#include "base/error.h"
#include "tokenizer/utf8.h"

namespace tamis::tokenizer {

namespace {

// Field numbers of sentencepiece_model.proto.
enum ModelField : uint32_t { kPieces = 1, kTrainerSpec = 2, kNormalizerSpec = 3 };
enum PieceField : uint32_t { kPieceText = 1, kPieceScore = 2, kPieceType = 3 };
enum TrainerField : uint32_t {
  kModelType = 3,
  kByteFallback = 35,
  kUnkId = 40,
  kBosId = 41,
  kEosId = 42,
  kUnkPiece = 45,
  kBosPiece = 46,
  kEosPiece = 47
};
enum NormalizerField : uint32_t {
  kPrecompiledCharsmap = 2,
  kAddDummyPrefix = 3,
  kRemoveExtraWhitespaces = 4,
  kEscapeWhitespaces = 5
};

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

/// Walks the fields of one message. A field's value is read by the one call that fits its type.
class MessageReader {
 public:
  /// `offset`: where `bytes` begin in the file, for errors.
  MessageReader(std::string_view bytes, size_t offset, const std::string& source)
      : bytes_(bytes), offset_(offset), source_(source) {}

  /// Goes to the next field; false at the end.
  bool next() {
    if (at_ == bytes_.size()) return false;
    const uint64_t key = varint();
    field_ = static_cast<uint32_t>(key >> 3);
    wire_ = static_cast<uint32_t>(key & 7);
    if (key >> 3 == 0 || key >> 3 > UINT32_MAX) corrupt("no valid field number");
    return true;
  }
  [[nodiscard]] uint32_t field() const { return field_; }

  [[nodiscard]] int64_t integer() {
    expect(kVarint);
    return static_cast<int64_t>(varint());
  }
  [[nodiscard]] float real() {
    expect(kFixed32);
    float value;
    __builtin_memcpy(&value, take(4).data(), sizeof(value));
    return value;
  }
  [[nodiscard]] std::string_view bytes() {
    expect(kBytes);
    return take(varint());
  }
  [[nodiscard]] MessageReader message() {
    const std::string_view body = bytes();
    return {body, offset_ + at_ - body.size(), source_};
  }

  void skip() {
    switch (wire_) {
      case kVarint:
        (void)varint();
        return;
      case kFixed64:
        (void)take(8);
        return;
      case kBytes:
        (void)take(varint());
        return;
      case kFixed32:
        (void)take(4);
        return;
      default:
        corrupt("unknown wire type");
    }
  }

  [[noreturn]] void corrupt(std::string_view what) const {
    fail(ErrorCode::kCorruptData, source_, ": not a SentencePiece model: ", what, " at byte ",
         offset_ + at_);
  }

 private:
  void expect(WireType wire) const {
    if (wire_ != wire) corrupt("a field of the wrong type");
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) corrupt("a number that is cut off");
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    corrupt("a number of more than 10 bytes");
  }

  std::string_view take(uint64_t size) {
    if (size > bytes_.size() - at_) corrupt("a field that reaches past the end");
    const std::string_view out = bytes_.substr(at_, size);
    at_ += size;
    return out;
  }

  std::string_view bytes_;
  size_t offset_;
  const std::string& source_;
  size_t at_ = 0;
  uint32_t field_ = 0;
  uint32_t wire_ = 0;
};

std::string_view read_text(MessageReader& reader) {
  const std::string_view text = reader.bytes();
  if (find_invalid_utf8(text) != std::string_view::npos) {
    reader.corrupt("a piece that is not UTF-8");
  }
  return text;
}

SentencePieceModel::Piece read_piece(MessageReader reader) {
  SentencePieceModel::Piece piece;
  while (reader.next()) {
    switch (reader.field()) {
      case kPieceText:
        piece.text = read_text(reader);
        break;
      case kPieceScore:
        piece.score = reader.real();
        break;
      case kPieceType:
        piece.type = static_cast<SentencePieceType>(reader.integer());
        break;
      default:
        reader.skip();
    }
  }
  return piece;
}

void read_trainer(MessageReader spec, SentencePieceModel& model) {
  while (spec.next()) {
    switch (spec.field()) {
      case kModelType:
        model.algorithm = static_cast<int32_t>(spec.integer());
        break;
      case kByteFallback:
        model.byte_fallback = spec.integer() != 0;
        break;
      case kUnkId:
        model.unk_id = static_cast<int32_t>(spec.integer());
        break;
      case kBosId:
        model.bos_id = static_cast<int32_t>(spec.integer());
        break;
      case kEosId:
        model.eos_id = static_cast<int32_t>(spec.integer());
        break;
      case kUnkPiece:
        model.unk_piece = read_text(spec);
        break;
      case kBosPiece:
        model.bos_piece = read_text(spec);
        break;
      case kEosPiece:
        model.eos_piece = read_text(spec);
        break;
      default:
        spec.skip();
    }
  }
}

void read_normalizer(MessageReader spec, SentencePieceModel& model) {
  while (spec.next()) {
    switch (spec.field()) {
      case kPrecompiledCharsmap:
        model.charsmap = spec.bytes();
        break;
      case kAddDummyPrefix:
        model.add_dummy_prefix = spec.integer() != 0;
        break;
      case kRemoveExtraWhitespaces:
        model.remove_extra_whitespaces = spec.integer() != 0;
        break;
      case kEscapeWhitespaces:
        model.escape_whitespaces = spec.integer() != 0;
        break;
      default:
        spec.skip();
    }
  }
}

}  // namespace

SentencePieceModel parse_sentencepiece(std::string_view bytes, const std::string& source) {
  SentencePieceModel model;
  MessageReader reader(bytes, 0, source);
  while (reader.next()) {
    if (reader.field() == kPieces) {
      model.pieces.push_back(read_piece(reader.message()));
    } else if (reader.field() == kTrainerSpec) {
      read_trainer(reader.message(), model);
    } else if (reader.field() == kNormalizerSpec) {
      read_normalizer(reader.message(), model);
    } else {
      reader.skip();
    }
  }
  if (model.pieces.empty()) {
    fail(ErrorCode::kCorruptData, source, ": not a SentencePiece model: it has no pieces");
  }
  return model;
}

}  // namespace tamis::tokenizer
