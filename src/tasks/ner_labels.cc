// The entities in a text under labels that come with it, as GLiNER's predict_entities() finds them.
// Source: gliner/data_processing/processor.py, gliner/decoding/decoder.py of
// https://github.com/urchade/GLiNER
#include "tasks/ner_labels.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "math/probabilities.h"
#include "tasks/code_points.h"
#include "tasks/steps.h"
#include "tasks/words.h"
#include "tokenizer/utf8.h"

namespace tamis::tasks {

namespace {

constexpr float kThreshold = 0.5f;

const SpanLabels& span_labels(const TaskModel& model) {
  TAMIS_CHECK(model.span_labels.has_value());
  return *model.span_labels;
}

std::vector<std::string> distinct(const std::vector<std::string>& labels) {
  std::vector<std::string> kept;
  std::set<std::string_view> seen;
  for (const std::string& label : labels) {
    if (seen.insert(label).second) kept.push_back(label);
  }
  return kept;
}

void check_options(const NerOptions& options, const SpanLabels& model) {
  const auto refuse = [](std::string_view option) {
    fail(ErrorCode::kInvalidArgument, option,
         " is for models with labels of their own; this one reads labels with the text");
  };
  if (options.labels.empty()) {
    fail(ErrorCode::kInvalidArgument,
         "ner: this model reads labels with the text; at least one is needed");
  }
  if (options.aggregation != Aggregation::kSimple) refuse("aggregation");
  if (options.ignore_labels != NerOptions{}.ignore_labels) refuse("ignore_labels");
  if (options.stride) refuse("stride");
  if (options.truncation.side == Side::kLeft) {
    fail(ErrorCode::kUnsupported,
         "truncation from the left is not built where labels stand in front of the text; accepted "
         "is from the right");
  }
  const auto count = static_cast<int64_t>(distinct(options.labels).size());
  if (count > model.most_labels) {
    fail(ErrorCode::kInvalidArgument, "ner: ", count, " labels; at most ", model.most_labels,
         " are accepted");
  }
  const float threshold = options.threshold.value_or(kThreshold);
  if (!(threshold >= 0 && threshold <= 1)) {
    fail(ErrorCode::kInvalidArgument, "threshold must be from 0 to 1, not ", threshold);
  }
}

/// The special tokens that stand around every text of this tokenizer.
struct Frame {
  std::vector<int32_t> before;
  std::vector<int32_t> behind;
};

Frame frame_of(const tokenizer::Tokenizer& tokenizer) {
  const tokenizer::Encoding probe = tokenizer.encode("a");
  const auto& special = probe.special_mask;
  const auto own = std::ranges::find(special, uint8_t{0}) - special.begin();
  const auto end = special.rend() - std::find(special.rbegin(), special.rend(), uint8_t{0});
  Frame frame;
  frame.before.assign(probe.ids.begin(), probe.ids.begin() + own);
  if (end > own) frame.behind.assign(probe.ids.begin() + end, probe.ids.end());
  return frame;
}

/// Puts a sequence together, word by word.
class PromptBuilder {
 public:
  explicit PromptBuilder(const TaskModel& model)
      : model_(model), labels_(span_labels(model)), frame_(frame_of(*model.tokenizer)) {
    options_.add_special_tokens = false;
    options_.offsets = false;
    options_.details = false;
    sequence_.ids = frame_.before;
  }

  void add_label(const std::string& label) {
    const std::vector<int32_t>& ids = encode(label);
    const bool marked = std::ranges::find(ids, labels_.label_token) != ids.end();
    if (ids.empty() || marked) {
      fail(ErrorCode::kInvalidArgument, "ner: the label ", json_quote(label.substr(0, 200)),
           ids.empty() ? " has no tokens" : " holds the token that marks labels");
    }
    select(labels_.behind_token ? 1 : 0);
    sequence_.ids.push_back(labels_.label_token);
    append(ids);
  }

  /// Behind the labels; `most`: tokens of the sequence, 0: no limit.
  void end_labels(int64_t most) {
    sequence_.ids.push_back(labels_.separator);
    most_ = most;
    if (most_ > 0 && size() > most_) {
      fail(ErrorCode::kInvalidArgument, "ner: the labels take ", size(),
           " tokens, special tokens included, more than the ", most_, " that are taken");
    }
  }

  enum class Added : uint8_t { kYes, kHasNoTokens, kHasNoRoom };
  Added add_word(const Word& word) {
    const std::vector<int32_t>& ids = encode(word.text);
    if (most_ > 0 && size() + static_cast<int64_t>(ids.size()) > most_) return Added::kHasNoRoom;
    if (ids.empty()) return Added::kHasNoTokens;
    select(0);
    window_.offsets.push_back(word.at);
    append(ids);
    return Added::kYes;
  }

  void finish(Encoded& encoded) {
    append(frame_.behind);
    if (model_.uses_type_ids) sequence_.type_ids.assign(sequence_.ids.size(), 0);
    encoded.sequences.push_back(std::move(sequence_));
    encoded.windows.push_back(std::move(window_));
  }

 private:
  [[nodiscard]] int64_t size() const {
    return static_cast<int64_t>(sequence_.ids.size() + frame_.behind.size());
  }
  const std::vector<int32_t>& encode(std::string_view text) {
    model_.tokenizer->encode_into({text}, options_, encoding_);
    return encoding_.ids;
  }
  void append(const std::vector<int32_t>& ids) {
    sequence_.ids.insert(sequence_.ids.end(), ids.begin(), ids.end());
  }
  // The token so many behind the next one.
  void select(int32_t behind) {
    sequence_.selected.push_back(static_cast<int32_t>(sequence_.ids.size()) + behind);
  }

  const TaskModel& model_;
  const SpanLabels& labels_;
  Frame frame_;
  tokenizer::EncodeOptions options_;
  tokenizer::Encoding encoding_;
  int64_t most_ = 0;
  Sequence sequence_;
  Window window_;
};

/// A span of words under a label.
struct Candidate {
  int64_t first = 0;
  int64_t last = 0;  ///< included
  size_t label = 0;
  float score = 0;
};

/// Spans that were taken, against which others are held.
class TakenSpans {
 public:
  TakenSpans(const NerOptions& options, int64_t words)
      : options_(options), taken_(static_cast<size_t>(words)) {}

  /// Whether the span may stand beside those that were taken; it is taken then.
  bool take(const Candidate& span) {
    const std::pair<int64_t, int64_t> place(span.first, span.last);
    if (places_.contains(place)) return options_.multi_label;
    if (options_.nested ? crosses(span) : overlaps(span)) return false;
    places_.insert(place);
    for (int64_t i = span.first; i <= span.last; ++i) taken_[static_cast<size_t>(i)] = true;
    return true;
  }

 private:
  [[nodiscard]] bool overlaps(const Candidate& span) const {
    const auto begin = taken_.begin() + span.first;
    return std::find(begin, taken_.begin() + span.last + 1, true) != taken_.begin() + span.last + 1;
  }
  // Overlaps one, and neither lies in the other.
  [[nodiscard]] bool crosses(const Candidate& span) const {
    return std::ranges::any_of(places_, [&span](const auto& place) {
      const auto& [first, last] = place;
      return (first < span.first && span.first <= last && last < span.last) ||
             (span.first < first && first <= span.last && span.last < last);
    });
  }

  const NerOptions& options_;
  std::vector<bool> taken_;  // words of flat spans
  std::set<std::pair<int64_t, int64_t>> places_;
};

// All that are probable enough, by their first word, their last and their label.
std::vector<Candidate> candidates_of(const NerOptions& options, const SpanLabels& model,
                                     const TensorView& scores, int64_t labels, int64_t words) {
  const float threshold = options.threshold.value_or(kThreshold);
  std::vector<Candidate> found;
  std::vector<float> of_labels(static_cast<size_t>(labels));
  for (int64_t first = 0; first < words; ++first) {
    const float* row = row_of(scores, labels + first).data();
    const int64_t widths = std::min(model.max_width, words - first);
    for (int64_t width = 0; width < widths; ++width) {
      std::copy_n(row + width * model.most_labels, labels, of_labels.begin());
      math::sigmoid(of_labels);
      for (size_t label = 0; label < of_labels.size(); ++label) {
        if (of_labels[label] > threshold) {
          found.push_back({first, first + width, label, of_labels[label]});
        }
      }
    }
  }
  return found;
}

}  // namespace

void refuse_labels(const NerOptions& options) {
  const auto refuse = [](std::string_view option) {
    fail(ErrorCode::kInvalidArgument, option,
         " is for models that read labels with the text (GLiNER); this one has labels of its own");
  };
  if (!options.labels.empty()) refuse("labels");
  if (options.threshold) refuse("threshold");
  if (options.nested) refuse("nested");
  if (options.multi_label) refuse("multi_label");
}

void encode_labels(const NerOptions& options, const TaskModel& model, Encoded& encoded) {
  const SpanLabels& own = span_labels(model);
  check_options(options, own);
  PromptBuilder prompt(model);
  for (const std::string& label : distinct(options.labels)) prompt.add_label(label);
  prompt.end_labels(encode_options(options.truncation, model).max_length);
  tokenizer::require_utf8(encoded.input.text);
  const std::vector<Word> words = split_words(encoded.input.text);
  // Of as many words as the package reads; one without tokens is passed over.
  int64_t read = 0;
  for (int64_t i = 0; i < std::min<int64_t>(own.max_words, std::ssize(words)); ++i) {
    const PromptBuilder::Added added = prompt.add_word(words[static_cast<size_t>(i)]);
    if (added == PromptBuilder::Added::kHasNoRoom) break;
    read += added == PromptBuilder::Added::kYes ? 1 : 0;
  }
  const auto count = static_cast<int64_t>(words.size());
  if (read < count) {
    encoded.truncated = true;
    if (!options.truncation.enabled) {
      fail(ErrorCode::kInvalidArgument, "the text has ", count, " words, of which ", read,
           " are taken beside the labels (at most ", own.max_words,
           ", as many as the model has tokens for, and none that the tokenizer drops), and "
           "truncation is off");
    }
  }
  prompt.finish(encoded);
}

NerResult decode_labels(const NerOptions& options, const TaskModel& model, const Encoded& encoded,
                        const TensorView& scores) {
  const SpanLabels& own = span_labels(model);
  const std::vector<std::string> labels = distinct(options.labels);
  const Sequence& sequence = encoded.sequences[0];
  const std::vector<tokenizer::Span>& words = encoded.windows[0].offsets;
  check_rows(scores, static_cast<int64_t>(sequence.selected.size()));
  TAMIS_CHECK(labels.size() + words.size() == sequence.selected.size());
  if (scores.shape()[1] != own.max_width * own.most_labels) {
    fail(ErrorCode::kUnsupported, "the model gives ", scores.shape()[1], " scores of a word, not ",
         own.max_width * own.most_labels);
  }
  const auto count = static_cast<int64_t>(words.size());
  std::vector<Candidate> spans =
      candidates_of(options, own, scores, static_cast<int64_t>(labels.size()), count);
  std::ranges::stable_sort(spans, std::greater<>(), &Candidate::score);
  TakenSpans taken(options, count);
  std::erase_if(spans, [&taken](const Candidate& span) { return !taken.take(span); });
  std::ranges::stable_sort(spans, std::less<>(), &Candidate::first);
  NerResult result;
  result.truncated = encoded.truncated;
  const CodePoints text(encoded.input.text);
  for (const Candidate& span : spans) {
    const int64_t start = words[static_cast<size_t>(span.first)].start;
    const int64_t end = words[static_cast<size_t>(span.last)].end;
    result.entities.push_back(
        {labels[span.label], span.score, 0, std::string(text.slice(start, end)), start, end});
  }
  return result;
}

}  // namespace tamis::tasks
