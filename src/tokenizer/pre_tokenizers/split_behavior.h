// What becomes of the text that a pattern matched when a piece is cut there.
//
// Is: the library's five behaviors. Is not: matching. May use: text.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "tokenizer/text.h"

namespace tamis::tokenizer {

/// For "a-b" cut at "-": kRemoved a|b, kIsolated a|-|b, kMergedWithPrevious a-|b, kMergedWithNext
/// a|-b; kContiguous joins neighboring matches.
enum class SplitBehavior : uint8_t {
  kRemoved,
  kIsolated,
  kMergedWithPrevious,
  kMergedWithNext,
  kContiguous
};

[[nodiscard]] SplitBehavior behavior_from_json(const JsonView& json, const std::string& where);

/// Segments that cover a piece in order: matches and what lies between.
struct Segment {
  uint32_t begin;
  uint32_t end;
  bool is_match;
};

/// Adds what the behavior makes of the segments to text.next_pieces.
void cut_segments(Text& text, const Piece& piece, std::vector<Segment>& segments,
                  SplitBehavior behavior);

/// Segments of a piece where each character for which matches(c) is a match of its own.
template <typename Matches>
void character_segments(const Text& text, const Piece& piece, Matches matches,
                        std::vector<Segment>& out) {
  out.clear();
  const std::string_view bytes = text.bytes();
  uint32_t done = piece.begin;
  for (uint32_t at = piece.begin; at < piece.end;) {
    const char32_t c = decode_utf8(bytes.data() + at);
    const uint32_t end = at + utf8_size(c);
    if (matches(c)) {
      if (done < at) out.push_back({done, at, false});
      out.push_back({at, end, true});
      done = end;
    }
    at = end;
  }
  if (done < piece.end) out.push_back({done, piece.end, false});
}

}  // namespace tamis::tokenizer
