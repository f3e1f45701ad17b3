#include "tokenizer/pre_tokenizers/split_behavior.h"

#include <algorithm>

#include "base/error.h"

namespace tamis::tokenizer {

SplitBehavior behavior_from_json(const JsonView& json, const std::string& where) {
  struct Row {
    std::string_view name;
    SplitBehavior behavior;
  };
  constexpr Row kRows[] = {{"Removed", SplitBehavior::kRemoved},
                           {"Isolated", SplitBehavior::kIsolated},
                           {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
                           {"MergedWithNext", SplitBehavior::kMergedWithNext},
                           {"Contiguous", SplitBehavior::kContiguous}};
  const std::string_view name = json.as_string(where);
  for (const Row& row : kRows) {
    if (row.name == name) return row.behavior;
  }
  fail(ErrorCode::kCorruptData, where, ": ", json_quote(name),
       " is none of Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous");
}

namespace {

/// Joins a match to the segment before it (in the order given) unless that one ends in a match too.
template <typename Join>
size_t merge_matches(std::vector<Segment>& segments, Join join) {
  bool previous_match = false;
  size_t kept = 0;
  for (const Segment segment : segments) {
    if (segment.is_match && !previous_match && kept > 0) {
      join(segments[kept - 1], segment);
    } else {
      segments[kept++] = segment;
    }
    previous_match = segment.is_match;
  }
  return kept;
}

void join_contiguous(std::vector<Segment>& segments) {
  bool previous_match = false;
  size_t kept = 0;
  for (const Segment segment : segments) {
    if (segment.is_match == previous_match && kept > 0) {
      segments[kept - 1].end = segment.end;
    } else {
      segments[kept++] = segment;
    }
    previous_match = segment.is_match;
  }
  segments.resize(kept);
}

}  // namespace

void cut_segments(Text& text, const Piece& piece, std::vector<Segment>& segments,
                  SplitBehavior behavior) {
  switch (behavior) {
    case SplitBehavior::kRemoved:
      for (const Segment& segment : segments) {
        if (!segment.is_match) text.cut(piece, segment.begin, segment.end);
      }
      return;
    case SplitBehavior::kIsolated:
      break;
    case SplitBehavior::kContiguous:
      join_contiguous(segments);
      break;
    case SplitBehavior::kMergedWithPrevious:
      segments.resize(merge_matches(
          segments, [](Segment& into, const Segment& match) { into.end = match.end; }));
      break;
    case SplitBehavior::kMergedWithNext:
      std::reverse(segments.begin(), segments.end());
      segments.resize(merge_matches(
          segments, [](Segment& into, const Segment& match) { into.begin = match.begin; }));
      std::reverse(segments.begin(), segments.end());
      break;
  }
  for (const Segment& segment : segments) text.cut(piece, segment.begin, segment.end);
}

}  // namespace tamis::tokenizer
