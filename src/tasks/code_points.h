// Slices of a UTF-8 text by code points, as offsets of tokens count them.
//
// Is: Python's text[start:end] and text.lower(). Is not: tolerant; the tokenizer has checked the
// text. May use: tokenizer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tamis::tasks {

/// Borrows a text and knows where each of its code points begins. Immutable: thread-safe.
class CodePoints {
 public:
  /// `text` is valid UTF-8 under 2^31 bytes.
  explicit CodePoints(std::string_view text);

  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(starts_.size()) - 1; }
  /// Code points [start, end) as Python slices: clipped at the end, empty if end <= start. Neither
  /// may be negative.
  [[nodiscard]] std::string_view slice(int64_t start, int64_t end) const;

 private:
  std::string_view text_;
  std::vector<int32_t> starts_;  ///< byte offsets; the last one is the text's size
};

/// Lower case; a capital sigma that ends a word becomes a final one.
[[nodiscard]] std::string lower_case(std::string_view text);

/// Number of code points.
[[nodiscard]] int64_t count_code_points(std::string_view text);

}  // namespace tamis::tasks
