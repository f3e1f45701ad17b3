#include "load/texts.h"

#include <charconv>
#include <random>

#include "base/error.h"
#include "formats/text_data.h"

namespace tamis::load {

namespace {

int64_t parse_count(std::string_view text, std::string_view whole) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || value < 1 || value > 100'000) {
    fail(ErrorCode::kInvalidArgument, "--words ", whole, ": must be N or LEAST-MOST in 1..100000");
  }
  return value;
}

std::vector<std::string> words_of(const std::vector<std::string>& rows) {
  std::vector<std::string> words;
  for (const std::string& row : rows) {
    size_t begin = 0;
    while ((begin = row.find_first_not_of(' ', begin)) != row.npos) {
      const size_t end = std::min(row.find(' ', begin), row.size());
      words.push_back(row.substr(begin, end - begin));
      begin = end;
    }
  }
  return words;
}

}  // namespace

WordCount parse_word_count(std::string_view text) {
  if (text.empty()) return {};
  const size_t dash = text.find('-');
  if (dash == text.npos) {
    const int64_t words = parse_count(text, text);
    return {words, words};
  }
  const WordCount range = {parse_count(text.substr(0, dash), text),
                           parse_count(text.substr(dash + 1), text)};
  if (range.least > range.most) {
    fail(ErrorCode::kInvalidArgument, "--words ", text, ": the least comes first");
  }
  return range;
}

std::vector<std::string> make_texts(const std::filesystem::path& file, const WordCount& words,
                                    size_t count) {
  std::vector<std::string> rows;
  for (TextRow& row : read_text_data(file)) {
    if (row.text) rows.push_back(std::move(*row.text));
  }
  if (rows.empty()) fail(ErrorCode::kInvalidArgument, file.string(), ": has no texts");
  if (words.most == 0) {
    std::vector<std::string> texts;
    for (size_t i = 0; i < count; ++i) texts.push_back(rows[i % rows.size()]);
    return texts;
  }
  const std::vector<std::string> all = words_of(rows);
  if (all.empty()) fail(ErrorCode::kInvalidArgument, file.string(), ": has no words");
  std::mt19937 random(1);
  std::uniform_int_distribution<int64_t> length(words.least, words.most);
  std::vector<std::string> texts(count);
  size_t next = 0;
  for (std::string& text : texts) {
    for (int64_t left = length(random); left > 0; --left) {
      if (!text.empty()) text += ' ';
      text += all[next++ % all.size()];
    }
  }
  return texts;
}

}  // namespace tamis::load
