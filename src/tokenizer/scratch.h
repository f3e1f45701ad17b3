// What one encoding needs while it runs, kept for the next one.
//
// Is: buffers. Is not: part of a tokenizer's meaning. May use: text, encoding.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/encoding.h"
#include "tokenizer/match.h"
#include "tokenizer/pre_tokenizers/split_behavior.h"
#include "tokenizer/text.h"
#include "tokenizer/unicode/unicode.h"
#include "tokenizer/word_cache.h"

namespace tamis::tokenizer {

/// Tokens of one text before special tokens and truncation.
struct SequenceTokens {
  std::vector<int32_t> ids;
  std::vector<Span> offsets;
  std::vector<int32_t> words;

  /// How many spaces begin and end the text of a token whose id does not tell (added tokens,
  /// unknown pieces).
  struct Spaces {
    uint32_t token;
    uint32_t leading;
    uint32_t trailing;
  };
  std::vector<Spaces> spaces;

  /// Text of each token, if EncodeOptions::tokens asked; empty where the vocabulary tells.
  std::vector<std::string> texts;
  bool wants_texts = false;
  /// Id whose tokens' text is what was matched, if texts are wanted.
  int32_t matched_text_id = kNoMatchedTextId;
  static constexpr int32_t kNoMatchedTextId = -2;
  void set_last_text(std::string_view text) {
    texts.resize(ids.size());
    texts.back() = text;
  }
  /// True if tokenization stopped before the end of the text because enough tokens were there.
  bool cut_short = false;

  [[nodiscard]] size_t size() const { return ids.size(); }
  void clear() {
    ids.clear();
    offsets.clear();
    words.clear();
    spaces.clear();
    texts.clear();
    wants_texts = false;
    matched_text_id = kNoMatchedTextId;
    cut_short = false;
  }
};

/// Not thread-safe; one a running encode().
struct Scratch {
  Text original;
  Text stretch;
  Text text;
  std::array<SequenceTokens, 2> sequences;
  WordCache cache;

  // For normalizers.
  std::u32string code_points;
  std::vector<ChangedCodePoint> changes;
  std::vector<Match> matches;
  RegexBudget regex;
  std::vector<Segment> segments;
  // For models.
  struct Symbol {
    int32_t id;
    int32_t previous;
    int32_t next;
    uint32_t size;
  };
  std::vector<Symbol> symbols;
  struct Merge {
    uint32_t rank;
    uint32_t position;
    int32_t id;
  };
  std::vector<Merge> queue;
  struct PathNode {
    double score;
    int32_t id;
    uint32_t start;
  };
  std::vector<PathNode> path;
  std::vector<uint32_t> ends;
  std::vector<int32_t> piece_ids;
  std::string word;

  /// Frees what a container holds; assigning `{}` to a vector keeps its memory.
  template <typename Container>
  static void release(Container& container) {
    Container().swap(container);
  }

  /// Frees what a very long text left behind.
  void shrink() {
    constexpr size_t kKeep = size_t{1} << 20;
    original.shrink();
    stretch.shrink();
    text.shrink();
    if (changes.capacity() > kKeep) release(changes);
    if (code_points.capacity() > kKeep) release(code_points);
    if (symbols.capacity() > kKeep) release(symbols);
    if (queue.capacity() > kKeep) release(queue);
    if (ends.capacity() > kKeep) release(ends);
    if (piece_ids.capacity() > kKeep) release(piece_ids);
    if (path.capacity() > kKeep) release(path);
    if (segments.capacity() > kKeep) release(segments);
    if (matches.capacity() > kKeep) release(matches);
    if (word.capacity() > kKeep) release(word);
    for (SequenceTokens& tokens : sequences) {
      if (tokens.ids.capacity() > kKeep) tokens = {};
    }
  }
};

}  // namespace tamis::tokenizer
