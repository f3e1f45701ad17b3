// Words already tokenized, so that frequent ones cost one look-up.
//
// Is: a bounded, direct-mapped table of 64-byte lines. Is not: shared between threads. May use:
// nothing.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace tamis::tokenizer {

class WordCache {
 public:
  /// Longest word and most tokens that a line holds.
  static constexpr size_t kMaxWord = 26;
  static constexpr size_t kMaxTokens = 6;

  /// One cache line: 4 (hash) + 1 + 1 + 6 (ends) + 26 (word) + 2 (padding) + 24 (ids) = 64 bytes.
  struct alignas(64) Line {
    uint32_t hash = 0;
    uint8_t size = 0;   // of the word; 0: free
    uint8_t count = 0;  // tokens
    /// Where each token ends in the word, in bytes.
    uint8_t ends[kMaxTokens] = {};
    char word[kMaxWord] = {};
    int32_t ids[kMaxTokens] = {};
  };

  /// The line of that word if it is there.
  [[nodiscard]] const Line* find(std::string_view word, uint64_t hash) const {
    if (lines_.empty()) return nullptr;
    const Line& line = lines_[slot(hash)];
    if (line.hash != static_cast<uint32_t>(hash) || line.size != word.size() ||
        std::memcmp(line.word, word.data(), word.size()) != 0) {
      return nullptr;
    }
    return &line;
  }

  /// The line to fill for a word of 1..kMaxWord bytes that has at most kMaxTokens tokens.
  [[nodiscard]] Line& take(std::string_view word, uint64_t hash) {
    if (lines_.empty()) lines_.resize(kLines);
    Line& line = lines_[slot(hash)];
    line.hash = static_cast<uint32_t>(hash);
    line.size = static_cast<uint8_t>(word.size());
    line.count = 0;
    std::memcpy(line.word, word.data(), word.size());
    return line;
  }

 private:
  // 8192 lines of 64 bytes are 512 KiB: they fit a second-level cache and hold the words that make
  // up nearly all running text.
  static constexpr size_t kLines = 8192;
  [[nodiscard]] static size_t slot(uint64_t hash) { return (hash >> 32) & (kLines - 1); }

  std::vector<Line> lines_;
};

static_assert(sizeof(WordCache::Line) == 64);

}  // namespace tamis::tokenizer
