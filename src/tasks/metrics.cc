#include "tasks/metrics.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "base/error.h"
#include "tasks/code_points.h"
#include "tokenizer/chars.h"
#include "tokenizer/unicode/unicode.h"
#include "tokenizer/utf8.h"

namespace tamis::tasks {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

void check_sizes(size_t truth, size_t predicted) {
  if (truth != predicted) {
    fail(ErrorCode::kInvalidArgument, "metrics: ", truth, " labels, but ", predicted,
         " predictions; as many of each are needed");
  }
}

double share(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

/// 2PR / (P + R) in counts.
double f1_of(int64_t correct, int64_t predicted, int64_t truth) {
  return share(2 * correct, predicted + truth);
}

// Python's str.isspace() and \w, which SQuAD's script uses.
bool is_space(char32_t c) { return tokenizer::is_whitespace(c) || (c >= 0x1C && c <= 0x1F); }

bool is_word_character(char32_t c) {
  return c == '_' || tokenizer::in_categories(c, tokenizer::kLetters | tokenizer::kNumbers);
}

bool is_article(std::string_view word) { return word == "a" || word == "an" || word == "the"; }

/// Replaces each article that stands for itself by a space.
std::string without_articles(std::string_view text) {
  std::string out;
  std::string word;
  const auto flush = [&] {
    out += is_article(word) ? " " : word;
    word.clear();
  };
  for (size_t i = 0; i < text.size(); i += tokenizer::utf8_size(text[i])) {
    const char32_t c = tokenizer::decode_utf8(text.data() + i);
    if (!is_word_character(c)) flush();
    tokenizer::append_utf8(is_word_character(c) ? word : out, c);
  }
  flush();
  return out;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto flush = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (size_t i = 0; i < text.size(); i += tokenizer::utf8_size(text[i])) {
    const char32_t c = tokenizer::decode_utf8(text.data() + i);
    if (is_space(c)) {
      flush();
    } else {
      tokenizer::append_utf8(word, c);
    }
  }
  flush();
  return words;
}

std::vector<std::string> answer_words(std::string_view answer) {
  std::string text = lower_case(answer);
  std::erase_if(
      text, [](char c) { return tokenizer::is_ascii_punctuation(static_cast<unsigned char>(c)); });
  return split_words(without_articles(text));
}

double words_f1(const std::vector<std::string>& predicted, const std::vector<std::string>& truth) {
  if (predicted.empty() || truth.empty()) return predicted.empty() == truth.empty() ? 1 : 0;
  std::map<std::string_view, int64_t> left;
  for (const std::string& word : truth) ++left[word];
  int64_t common = 0;
  for (const std::string& word : predicted) {
    const auto found = left.find(word);
    if (found != left.end() && found->second-- > 0) ++common;
  }
  return f1_of(common, static_cast<int64_t>(predicted.size()), static_cast<int64_t>(truth.size()));
}

}  // namespace

double accuracy(std::span<const int64_t> truth, std::span<const int64_t> predicted) {
  check_sizes(truth.size(), predicted.size());
  if (truth.empty()) return kNan;
  int64_t equal = 0;
  for (size_t i = 0; i < truth.size(); ++i) equal += truth[i] == predicted[i] ? 1 : 0;
  return share(equal, static_cast<int64_t>(truth.size()));
}

double macro_f1(std::span<const int64_t> truth, std::span<const int64_t> predicted) {
  check_sizes(truth.size(), predicted.size());
  std::map<int64_t, EntityCounts> labels;
  for (size_t i = 0; i < truth.size(); ++i) {
    ++labels[truth[i]].truth;
    ++labels[predicted[i]].predicted;
    if (truth[i] == predicted[i]) ++labels[truth[i]].correct;
  }
  if (labels.empty()) return kNan;
  double sum = 0;
  for (const auto& label : labels) sum += label.second.f1();
  return sum / static_cast<double>(labels.size());
}

TagScheme::TagScheme(std::span<const std::string> tags) {
  for (const std::string& tag : tags) {
    if (tag.starts_with("B-") || tag.starts_with("I-")) types_.insert(tag.substr(2));
  }
}

std::optional<Tag> TagScheme::read(std::string_view tag) const {
  if (tag == "O") return std::nullopt;
  if (tag.size() > 2 && tag[1] == '-') {
    const std::string_view type = tag.substr(2);
    const char place = tag[0];
    if (place == 'B' || place == 'I') return Tag{type, place == 'B', false};
    const bool alone = place == 'S' || place == 'U';
    if ((alone || place == 'E' || place == 'L') && types_.contains(type)) {
      return Tag{type, alone, true};
    }
  }
  return Tag{tag, false, false};
}

std::string_view TagScheme::type_of(std::string_view tag) const {
  const std::optional<Tag> read_tag = read(tag);
  return read_tag ? read_tag->type : tag;
}

std::vector<TagSpan> entities_of_tags(std::span<const std::string> tags, const TagScheme& scheme) {
  std::vector<TagSpan> spans;
  std::optional<Tag> previous;
  for (size_t i = 0; i < tags.size(); ++i) {
    const std::optional<Tag> tag = scheme.read(tags[i]);
    if (tag) {
      const bool goes_on =
          previous && !previous->ends && !tag->begins && tag->type == previous->type;
      if (!goes_on) spans.push_back({std::string(tag->type), i, i});
      spans.back().end = i + 1;
    }
    previous = tag;
  }
  return spans;
}

EntityCounts& EntityCounts::operator+=(const EntityCounts& other) {
  correct += other.correct;
  predicted += other.predicted;
  truth += other.truth;
  return *this;
}

double EntityCounts::precision() const { return share(correct, predicted); }
double EntityCounts::recall() const { return share(correct, truth); }
double EntityCounts::f1() const { return f1_of(correct, predicted, truth); }

EntityCounts count_entities(std::span<const std::string> truth,
                            std::span<const std::string> predicted, const TagScheme& scheme) {
  check_sizes(truth.size(), predicted.size());
  const auto right = entities_of_tags(truth, scheme);
  const auto found = entities_of_tags(predicted, scheme);
  EntityCounts counts;
  counts.truth = static_cast<int64_t>(right.size());
  counts.predicted = static_cast<int64_t>(found.size());
  // Both rise, and no two entities of a text begin at one tag.
  size_t r = 0;
  for (const TagSpan& span : found) {
    while (r < right.size() && right[r].begin < span.begin) ++r;
    if (r < right.size() && right[r] == span) ++counts.correct;
  }
  return counts;
}

std::string normalize_answer(std::string_view answer) {
  std::string text;
  for (const std::string& word : answer_words(answer)) text += cat(text.empty() ? "" : " ", word);
  return text;
}

AnswerScore score_answer(std::string_view predicted, std::span<const std::string> truths) {
  const auto words = answer_words(predicted);
  AnswerScore best;
  bool any = false;
  for (const std::string& truth : truths) {
    const auto right = answer_words(truth);
    if (right.empty()) continue;
    any = true;
    best.exact = std::max(best.exact, words == right ? 1.0 : 0.0);
    best.f1 = std::max(best.f1, words_f1(words, right));
  }
  if (!any) best.exact = best.f1 = words.empty() ? 1 : 0;
  return best;
}

}  // namespace tamis::tasks
