#include "tokenizer/text.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace tamis::tokenizer {

void Text::assign(std::string_view original, bool ascii) {
  clear();
  bytes_.assign(original);
  original_size_ = original.size();
  if (!ascii) {
    identity_ = false;
    align_.resize(bytes_.size());
    uint32_t code_point = 0;
    for (size_t i = 0; i < bytes_.size(); ++code_point) {
      const uint32_t size = utf8_size(bytes_[i]);
      for (uint32_t k = 0; k < size; ++k) align_[i + k] = {code_point, code_point + 1};
      i += size;
    }
  }
  if (!bytes_.empty()) pieces.push_back({0, static_cast<uint32_t>(bytes_.size()), 0, kNoToken});
}

void Text::clear() {
  bytes_.clear();
  align_.clear();
  pieces.clear();
  next_pieces.clear();
  original_size_ = 0;
  base_ = 0;
  identity_ = true;
}

void Text::materialize() {
  if (!identity_) return;
  align_.resize(bytes_.size());
  for (size_t i = 0; i < bytes_.size(); ++i) {
    const auto at = base_ + static_cast<uint32_t>(i);
    align_[i] = {at, at + 1};
  }
  identity_ = false;
}

void Text::trim(size_t begin, size_t end) {
  bytes_.erase(end);
  bytes_.erase(0, begin);
  if (identity_) {
    base_ += static_cast<uint32_t>(begin);
  } else {
    align_.resize(end);
    align_.erase(align_.begin(), align_.begin() + static_cast<ptrdiff_t>(begin));
  }
  pieces[0].begin = 0;
  pieces[0].end = static_cast<uint32_t>(bytes_.size());
}

Piece Text::append(const Text& from, const Piece& piece) {
  const auto begin = static_cast<uint32_t>(bytes_.size());
  const uint32_t size = piece.end - piece.begin;
  if (bytes_.empty() && identity_ && from.identity_) base_ = from.base_ + piece.begin;
  const bool stays = identity_ && from.identity_ && base_ + begin == from.base_ + piece.begin;
  if (!stays) materialize();
  original_size_ += std::min<size_t>(size, from.original_size_);
  if (bytes_.size() + size > most_bytes()) refuse_growth();
  bytes_.append(from.view(piece));
  if (!stays) {
    for (uint32_t i = 0; i < size; ++i) align_.push_back(from.align(piece.begin + i));
  }
  return {begin, begin + size, piece.origin, piece.token};
}

void Text::shrink() {
  constexpr size_t kKeepBytes = size_t{1} << 20;
  const size_t most =
      std::max({bytes_.capacity(), align_.capacity(), spare_bytes_.capacity(),
                spare_align_.capacity(), pieces.capacity(), next_pieces.capacity()});
  if (most <= kKeepBytes) return;
  // A string that a short one is moved into keeps its memory; one that is swapped does not.
  Text empty;
  std::swap(*this, empty);
}

void Text::refuse_growth() const {
  fail(ErrorCode::kInvalidArgument, "a text of ", original_size_, " bytes becomes more than ",
       most_bytes(), " when it is normalized");
}

Rewriter::Rewriter(Text& text) : text_(text), most_bytes_(text.most_bytes()) {
  text_.materialize();
  source_ = text_.bytes_;
  text_.spare_bytes_.clear();
  text_.spare_align_.clear();
  text_.spare_bytes_.reserve(text_.bytes_.size());
  text_.spare_align_.reserve(text_.bytes_.size());
}

void Rewriter::begin(const Piece& piece) {
  piece_ = piece;
  at_ = piece.begin;
  end_ = piece.end;
  out_begin_ = static_cast<uint32_t>(text_.spare_bytes_.size());
}

void Rewriter::keep(size_t size) {
  text_.spare_bytes_.append(source_.substr(at_, size));
  const auto from = text_.align_.begin() + static_cast<ptrdiff_t>(at_);
  text_.spare_align_.insert(text_.spare_align_.end(), from, from + static_cast<ptrdiff_t>(size));
  at_ += size;
}

void Rewriter::prepend(std::u32string_view prefix) {
  const char32_t next = decode_utf8(rest().data());
  if (prefix.empty()) {
    insert(next);
    drop(1);
    return;
  }
  replace(prefix[0]);
  for (const char32_t c : prefix.substr(1)) insert(c);
  insert(next);
}

Piece Rewriter::end() {
  const auto out_end = static_cast<uint32_t>(text_.spare_bytes_.size());
  return {out_begin_, out_end, piece_.origin, piece_.token};
}

void Rewriter::commit() {
  text_.bytes_.swap(text_.spare_bytes_);
  text_.align_.swap(text_.spare_align_);
}

}  // namespace tamis::tokenizer
