// A text on its way through the normalizer and the pre-tokenizer.
//
// Is: bytes, where in the original each byte came from, and the pieces that were cut so far. Is
// not: a view of anything; buffers are kept from text to text. May use: utf8.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/utf8.h"

namespace tamis::tokenizer {

/// Code points [start, end) of the original that a byte came from.
struct Align {
  uint32_t start;
  uint32_t end;
};

inline constexpr int32_t kNoToken = -1;

/// Bytes [begin, end) of a Text: a stretch still to be tokenized, or an added token.
struct Piece {
  uint32_t begin;
  uint32_t end;
  /// Code point of the original where the piece was cut; text inserted before everything else
  /// aligns with [origin, origin).
  uint32_t origin;
  /// Id of the added token, kNoToken for text.
  int32_t token;
};

/// Not thread-safe.
class Text {
 public:
  /// Takes the original in; `ascii` says that it is. One piece, or none if it is empty.
  void assign(std::string_view original, bool ascii);

  /// Empties bytes and pieces.
  void clear();

  [[nodiscard]] std::string_view bytes() const { return bytes_; }
  [[nodiscard]] std::string& mutable_bytes() { return bytes_; }
  [[nodiscard]] std::string_view view(const Piece& piece) const {
    return std::string_view(bytes_).substr(piece.begin, piece.end - piece.begin);
  }

  /// True while all is ASCII and byte i came from code point base() + i. Bytes may then be changed
  /// in place, one ASCII character for another.
  [[nodiscard]] bool identity() const { return identity_; }
  [[nodiscard]] uint32_t base() const { return base_; }
  [[nodiscard]] Align align(size_t byte) const {
    if (!identity_) return align_[byte];
    const auto at = base_ + static_cast<uint32_t>(byte);
    return {at, at + 1};
  }
  /// Leaves the identity state.
  void materialize();

  /// Bytes that the text may become. Normal forms of real languages make three of one at most, and
  /// bytes as characters twice that; a character that becomes a sentence is for short texts.
  [[nodiscard]] size_t most_bytes() const {
    constexpr size_t kShort = size_t{64} << 10;
    constexpr size_t kLong = size_t{8} << 20;
    return std::min(8 * original_size_ + kShort, 3 * original_size_ + kLong);
  }
  /// Throws Error kInvalidArgument: it would become more.
  [[noreturn]] void refuse_growth() const;

  std::vector<Piece> pieces;

  /// Pieces being collected by a pre-tokenizer, exchanged with `pieces` by commit_pieces().
  std::vector<Piece> next_pieces;
  void commit_pieces() {
    pieces.swap(next_pieces);
    next_pieces.clear();
  }
  /// Adds bytes [begin, end) of `from` to next_pieces unless empty.
  void cut(const Piece& from, size_t begin, size_t end) {
    if (begin == end) return;
    if (begin == from.begin && end == from.end) {
      // HF slices anew even when nothing is cut off, which moves the origin to the first byte's.
      next_pieces.push_back({from.begin, from.end, align(begin).start, kNoToken});
      return;
    }
    next_pieces.push_back(
        {static_cast<uint32_t>(begin), static_cast<uint32_t>(end), align(begin).start, kNoToken});
  }

  /// Keeps only bytes [begin, end) of the one piece there is.
  void trim(size_t begin, size_t end);

  /// Appends stretch `piece` of `from` (aligned to the same original) and returns the piece made.
  Piece append(const Text& from, const Piece& piece);

  /// Frees what a very long text left behind.
  void shrink();

 private:
  friend class Rewriter;

  std::string bytes_;
  std::vector<Align> align_;
  size_t original_size_ = 0;  ///< of what was taken in, before it was rewritten
  uint32_t base_ = 0;
  bool identity_ = true;
  std::string spare_bytes_;
  std::vector<Align> spare_align_;
};

/// Rewrites a Text piece by piece. A change is told as Hugging Face tells it: a character replaces
/// the next one, is inserted after the last one, or characters are dropped; this decides
/// alignments.
class Rewriter {
 public:
  explicit Rewriter(Text& text);

  /// Goes to the next piece; what was not consumed of the one before is dropped.
  void begin(const Piece& piece);

  /// Bytes of the piece that are neither replaced nor dropped yet.
  [[nodiscard]] std::string_view rest() const { return source_.substr(at_, end_ - at_); }

  /// `c` takes the place of the next character.
  void replace(char32_t c) {
    push(c, align_here());
    skip_one();
  }
  /// `c` goes after what came last and aligns with it.
  void insert(char32_t c) { push(c, align_before()); }
  /// The next `count` characters disappear.
  void drop(size_t count) {
    for (; count > 0 && at_ < end_; --count) skip_one();
  }
  /// The next `size` bytes (whole characters) disappear.
  void drop_bytes(size_t size) { at_ += size; }
  /// Copies the next `size` bytes (whole characters).
  void keep(size_t size);
  /// `c` with a change count: > 0 inserts, <= 0 replaces and drops -change more.
  void change(char32_t c, int64_t change) {
    if (change > 0) {
      insert(c);
      return;
    }
    replace(c);
    drop(static_cast<size_t>(-change));
  }
  /// Puts `prefix` before the rest of a piece that has not been touched: it aligns with the first
  /// character, which is consumed.
  void prepend(std::u32string_view prefix);
  /// Ends the piece: its new bounds.
  [[nodiscard]] Piece end();

  /// The text takes the new bytes.
  void commit();

 private:
  [[nodiscard]] Align align_here() const {
    if (at_ < end_) return text_.align_[at_];
    return align_before();
  }
  [[nodiscard]] Align align_before() const {
    return at_ > piece_.begin ? text_.align_[at_ - 1] : Align{piece_.origin, piece_.origin};
  }
  void skip_one() {
    if (at_ < end_) at_ += utf8_size(source_[at_]);
  }
  void push(char32_t c, Align align) {
    char buffer[4];
    const uint32_t size = encode_utf8(c, buffer);
    text_.spare_bytes_.append(buffer, size);
    if (text_.spare_bytes_.size() > most_bytes_) text_.refuse_growth();
    for (uint32_t i = 0; i < size; ++i) text_.spare_align_.push_back(align);
  }

  Text& text_;
  std::string_view source_;
  Piece piece_{};
  size_t at_ = 0;
  size_t end_ = 0;
  size_t most_bytes_ = 0;
  uint32_t out_begin_ = 0;
};

}  // namespace tamis::tokenizer
