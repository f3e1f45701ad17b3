#include "tasks/code_points.h"

#include <algorithm>
#include <iterator>

#include "tokenizer/unicode/unicode.h"
#include "tokenizer/utf8.h"

namespace tamis::tasks {

CodePoints::CodePoints(std::string_view text) : text_(text) {
  starts_.reserve(text.size() + 1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (!tokenizer::is_continuation(text[i])) starts_.push_back(static_cast<int32_t>(i));
  }
  starts_.push_back(static_cast<int32_t>(text.size()));
}

std::string_view CodePoints::slice(int64_t start, int64_t end) const {
  const int64_t last = std::min(end, size());
  if (start >= last) return {};
  const auto at = [this](int64_t i) {
    return static_cast<size_t>(starts_[static_cast<size_t>(i)]);
  };
  return text_.substr(at(start), at(last) - at(start));
}

namespace {

constexpr char32_t kSigma = 0x03A3;
constexpr char32_t kSmallSigma = 0x03C3;
constexpr char32_t kFinalSigma = 0x03C2;

using tokenizer::category_bit;
using tokenizer::GeneralCategory;

bool is_cased(char32_t c) {
  constexpr uint32_t kCased = category_bit(GeneralCategory::kLu) |
                              category_bit(GeneralCategory::kLl) |
                              category_bit(GeneralCategory::kLt);
  return tokenizer::in_categories(c, kCased);
}

/// Unicode's Case_Ignorable: what may stand between a word's last letter and its end.
bool is_case_ignorable(char32_t c) {
  constexpr uint32_t kIgnored =
      category_bit(GeneralCategory::kMn) | category_bit(GeneralCategory::kMe) |
      category_bit(GeneralCategory::kCf) | category_bit(GeneralCategory::kLm) |
      category_bit(GeneralCategory::kSk);
  constexpr std::u32string_view kMidLetters =
      U"'.:\u00B7\u0387\u055F\u05F4\u2018\u2019\u2024\u2027";
  return tokenizer::in_categories(c, kIgnored) || kMidLetters.find(c) != kMidLetters.npos;
}

/// True if the nearest code point of `text` that is not ignorable is cased.
template <typename Iterator>
bool meets_cased(Iterator begin, Iterator end) {
  const auto found = std::find_if_not(begin, end, is_case_ignorable);
  return found != end && is_cased(*found);
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::u32string points;
  for (size_t i = 0; i < text.size(); i += tokenizer::utf8_size(text[i])) {
    points.push_back(tokenizer::decode_utf8(text.data() + i));
  }
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < points.size(); ++i) {
    if (points[i] == kSigma) {
      const auto here = points.begin() + static_cast<std::ptrdiff_t>(i);
      const bool ends_word = meets_cased(std::make_reverse_iterator(here), points.rend()) &&
                             !meets_cased(here + 1, points.end());
      tokenizer::append_utf8(out, ends_word ? kFinalSigma : kSmallSigma);
      continue;
    }
    const auto lower = tokenizer::lower_case(points[i]);
    for (uint32_t k = 0; k < lower.count; ++k) tokenizer::append_utf8(out, lower.code_points[k]);
  }
  return out;
}

int64_t count_code_points(std::string_view text) {
  return static_cast<int64_t>(tokenizer::count_code_points(text));
}

}  // namespace tamis::tasks
