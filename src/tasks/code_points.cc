#include "tasks/code_points.h"

#include <algorithm>

#include "tokenizer/unicode.h"
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

std::string lower_case(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); i += tokenizer::utf8_size(text[i])) {
    const auto lower = tokenizer::lower_case(tokenizer::decode_utf8(text.data() + i));
    for (uint32_t k = 0; k < lower.count; ++k) tokenizer::append_utf8(out, lower.code_points[k]);
  }
  return out;
}

int64_t count_code_points(std::string_view text) {
  return static_cast<int64_t>(tokenizer::count_code_points(text));
}

}  // namespace tamis::tasks
