// What a tokenizer gives back, and what may be asked of it.
//
// Is: plain data. Is not: padded; padding is the business of whoever needs it. May use: nothing.
#pragma once

#include <tamis/options.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tamis::tokenizer {

/// Code points [start, end) of the original text of one sequence.
struct Span {
  int32_t start = 0;
  int32_t end = 0;
  friend bool operator==(const Span&, const Span&) = default;
};

/// One encoded input (or one window of it). All vectors have one element a token, but those that
/// EncodeOptions switched off are empty.
struct Encoding {
  std::vector<int32_t> ids;
  std::vector<int32_t> type_ids;
  /// {0, 0} for tokens that a post-processor added.
  std::vector<Span> offsets;
  /// 1 for tokens that a post-processor added ([CLS], </s>, ...), 0 for those of the text.
  std::vector<uint8_t> special_mask;
  /// Index of the pre-token in its sequence, -1 for tokens that a post-processor added.
  std::vector<int32_t> word_ids;
  /// 0 for the first text, 1 for the second, -1 for tokens that a post-processor added.
  std::vector<int32_t> sequence_ids;
  /// Text of each token, filled only if EncodeOptions::tokens asks: its vocabulary entry, but for
  /// an added token, and for what a Unigram model does not know, the normalized text that was
  /// matched.
  std::vector<std::string> tokens;
  /// True if tokens of this input were cut off (they are in `overflowing` if that was asked for).
  bool truncated = false;
  /// The further windows of the input, in Hugging Face's order; their own `overflowing` is empty.
  std::vector<Encoding> overflowing;

  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(ids.size()); }
};

enum class TruncationStrategy : uint8_t { kLongestFirst, kOnlyFirst, kOnlySecond };
using tamis::Side;

struct EncodeOptions {
  bool add_special_tokens = true;
  /// Longest encoding in tokens, special ones included; 0 = no limit.
  int64_t max_length = 0;
  TruncationStrategy strategy = TruncationStrategy::kLongestFirst;
  /// From which end tokens are cut.
  Side truncation_side = Side::kRight;
  /// Tokens that a window shares with the one before it.
  int64_t stride = 0;
  /// Fills Encoding::overflowing.
  bool return_overflowing = false;
  /// Most windows that overflowing may make of a text; more are kInvalidArgument before they are
  /// made. 0 = no limit.
  int64_t max_windows = 0;
  /// Off: Encoding::offsets stays empty.
  bool offsets = true;
  /// On: Encoding::tokens is filled.
  bool tokens = false;
  /// Off: special_mask, word_ids and sequence_ids stay empty.
  bool details = true;
};

}  // namespace tamis::tokenizer
