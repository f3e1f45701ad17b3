// The span of a context that answers a question, as transformers 4.57's QuestionAnsweringPipeline
// finds it with fast tokenizers.
#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/length_limit.h"
#include "tasks/code_points.h"
#include "tasks/steps.h"

namespace tamis::tasks {

namespace {

// A model reads question, then context, if it pads on the right; else the other way round.
bool question_first(const TaskModel& model) {
  return model.tokenizer->padding_side() == tokenizer::Side::kRight;
}

/// max_seq_len and doc_stride with their defaults, checked.
tokenizer::EncodeOptions window_options(const QaOptions& options, const TaskModel& model,
                                        const Encoded& encoded) {
  check_least("max_seq_len", options.max_seq_len, 1);
  check_least("doc_stride", options.doc_stride, 0);
  check_least("max_question_len", options.max_question_len, 1);
  check_least("top_k", options.top_k, 1);
  check_least("max_answer_len", options.max_answer_len, 1);
  // 384 and 128: the pipeline's defaults.
  const int64_t length = options.max_seq_len.value_or(tighter_limit(384, model.max_length));
  if (length > tighter_limit(length, model.max_length)) {
    fail(ErrorCode::kInvalidArgument, "max_seq_len must be at most the model's ", model.max_length,
         " tokens, not ", length);
  }
  const int64_t stride = options.doc_stride.value_or(std::min<int64_t>(length / 2, 128));
  if (stride > length) {
    fail(ErrorCode::kInvalidArgument, "doc_stride (", stride, ") is larger than max_seq_len (",
         length, ")");
  }
  tokenizer::EncodeOptions encode;
  encode.max_length = length;
  read_in_windows(stride, encoded, encode);
  encode.truncation_side = model.tokenizer->truncation_side();
  encode.strategy = question_first(model) ? tokenizer::TruncationStrategy::kOnlySecond
                                          : tokenizer::TruncationStrategy::kOnlyFirst;
  return encode;
}

/// The question, cut behind max_question_len tokens.
std::string_view cut_question(std::string_view question, const QaOptions& options,
                              const TaskModel& model) {
  if (!options.max_question_len) return question;
  tokenizer::EncodeOptions encode;
  encode.add_special_tokens = false;
  encode.max_length = *options.max_question_len;
  const auto encoding = model.tokenizer->encode(question, encode);
  if (!encoding.truncated || encoding.offsets.empty()) return question;
  return CodePoints(question).slice(0, encoding.offsets.back().end);
}

void append_window(tokenizer::Encoding& encoding, const TaskModel& model, Encoded& encoded) {
  append_row(encoding, model, encoded);
  Window& window = encoded.windows.back();
  window.offsets = std::move(encoding.offsets);
  window.word_ids = std::move(encoding.word_ids);
  window.sequence_ids = std::move(encoding.sequence_ids);
}

/// Which tokens may be in an answer: those of the context, and the CLS token that stands for "no
/// answer". Context first: all, as the pipeline's mask is empty there.
std::vector<uint8_t> allowed_tokens(const Sequence& sequence, const Window& window,
                                    const TaskModel& model) {
  std::vector<uint8_t> allowed(sequence.ids.size(), 1);
  if (!question_first(model)) return allowed;
  const auto cls = model.tokenizer->special_ids().cls;
  for (size_t i = 0; i < allowed.size(); ++i) {
    allowed[i] = window.sequence_ids[i] == 1 || sequence.ids[i] == cls;
  }
  return allowed;
}

/// Probabilities of one column of the logits over all tokens, the others masked out as there.
std::vector<float> masked_softmax(const TensorView& logits, int64_t row, size_t column,
                                  const std::vector<uint8_t>& allowed) {
  constexpr float kMasked = -10000.0F;
  std::vector<float> values(allowed.size());
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = allowed[i] != 0 ? row_of(logits, row + static_cast<int64_t>(i))[column] : kMasked;
  }
  const double greatest = *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (const float value : values) sum += std::exp(value - greatest);
  for (float& value : values) value = static_cast<float>(std::exp(value - greatest) / sum);
  return values;
}

struct Candidate {
  size_t start = 0;
  size_t end = 0;
  float score = 0;
};

/// The `count` best pairs of all start <= end < start + max_length. Where fewer have a score above
/// zero, pairs with none follow from the first on; equals stand in the order of (start, end).
std::vector<Candidate> best_candidates(const std::vector<float>& start,
                                       const std::vector<float>& end, size_t count,
                                       size_t max_length) {
  const size_t tokens = start.size();
  count = std::min(count, tokens * tokens);
  const auto score_of = [&](size_t s, size_t e) {
    return e < s || e - s >= max_length ? 0.0F : start[s] * end[e];
  };
  std::vector<Candidate> found;
  for (size_t s = 0; s < tokens; ++s) {
    if (!(start[s] > 0)) continue;
    for (size_t e = s; e < tokens && e - s < max_length; ++e) {
      if (const float score = score_of(s, e); score > 0) found.push_back({s, e, score});
    }
  }
  const auto kept = static_cast<std::ptrdiff_t>(std::min(count, found.size()));
  std::partial_sort(found.begin(), found.begin() + kept, found.end(),
                    [](const Candidate& a, const Candidate& b) {
                      if (a.score != b.score) return a.score > b.score;
                      return a.start != b.start ? a.start < b.start : a.end < b.end;
                    });
  found.resize(static_cast<size_t>(kept));
  for (size_t i = 0; i < tokens * tokens && found.size() < count; ++i) {
    const size_t s = i / tokens;
    const size_t e = i % tokens;
    if (!(score_of(s, e) > 0)) found.push_back({s, e, 0.0F});
  }
  return found;
}

/// Where each word of a window's context begins and ends, in code points: found in one pass, as a
/// window may have as many candidates as pairs of tokens.
class WordSpans {
 public:
  WordSpans(const Window& window, int32_t context) : word_ids_(window.word_ids) {
    for (size_t i = 0; i < word_ids_.size(); ++i) {
      if (window.sequence_ids[i] != context || word_ids_[i] < 0) continue;
      const auto [at, is_first] = spans_.try_emplace(word_ids_[i], window.offsets[i]);
      if (!is_first) at->second.end = window.offsets[i].end;
    }
  }

  /// The words that hold the tokens; nothing where a token is in no word of the context.
  [[nodiscard]] std::optional<tokenizer::Span> around(size_t start, size_t end) const {
    const auto first = spans_.find(word_ids_[start]);
    const auto last = spans_.find(word_ids_[end]);
    if (first == spans_.end() || last == spans_.end()) return std::nullopt;
    return tokenizer::Span{first->second.start, last->second.end};
  }

 private:
  const std::vector<int32_t>& word_ids_;
  std::unordered_map<int32_t, tokenizer::Span> spans_;
};

/// Collects answers over the windows; what reads alike is one answer. Keeps no texts: they are
/// slices of the context until the best are known.
class AnswerList {
 public:
  explicit AnswerList(std::string_view context) : context_(context) {}

  void add(tokenizer::Span span, double score) {
    const std::string key = lower_case(text_of(span));
    const auto [begin, end] = rows_of_hash_.equal_range(std::hash<std::string>()(key));
    for (auto row = begin; row != end; ++row) {
      Row& same = rows_[row->second];
      if (lower_case(text_of(same.span)) != key) continue;
      same.score += score;
      return;
    }
    rows_of_hash_.emplace(std::hash<std::string>()(key), rows_.size());
    rows_.push_back({span, score});
  }

  void add_impossible(double score) { rows_.push_back({{}, score}); }

  [[nodiscard]] std::vector<Answer> best(size_t count) {
    std::stable_sort(rows_.begin(), rows_.end(),
                     [](const Row& a, const Row& b) { return a.score > b.score; });
    std::vector<Answer> answers;
    for (size_t i = 0; i < std::min(count, rows_.size()); ++i) {
      const Row& row = rows_[i];
      answers.push_back({std::string(text_of(row.span)), static_cast<float>(row.score),
                         row.span.start, row.span.end});
    }
    return answers;
  }

 private:
  struct Row {
    tokenizer::Span span;
    double score = 0;
  };

  [[nodiscard]] std::string_view text_of(tokenizer::Span span) const {
    return context_.slice(span.start, span.end);
  }

  CodePoints context_;
  std::vector<Row> rows_;
  std::unordered_multimap<size_t, size_t> rows_of_hash_;
};

}  // namespace

void encode_task(const QaOptions& options, const TaskModel& model, Encoded& encoded) {
  const TaskInput& input = encoded.input;
  if (!input.texts.empty() || !input.pair) {
    fail(ErrorCode::kInvalidArgument, "qa takes a question and a context");
  }
  if (input.text.empty() || input.pair->empty()) {
    fail(ErrorCode::kInvalidArgument, input.text.empty() ? "question" : "context",
         " cannot be empty");
  }
  const auto encode = window_options(options, model, encoded);
  const std::string_view question = cut_question(input.text, options, model);
  const std::string_view context = *input.pair;
  auto first = question_first(model) ? model.tokenizer->encode({question, context}, encode)
                                     : model.tokenizer->encode({context, question}, encode);
  append_window(first, model, encoded);
  for (auto& window : first.overflowing) append_window(window, model, encoded);
}

QaResult decode_task(const QaOptions& options, const TaskModel& model, const Encoded& encoded,
                     const TaskOutputs& outputs) {
  const TensorView& output = outputs.get(kLogits);
  check_rows(output, encoded.tokens());
  if (output.shape()[1] != 2) {
    fail(ErrorCode::kUnsupported,
         "qa needs a model with two logits a token, start and end; this "
         "one has ",
         output.shape()[1]);
  }
  const auto top_k = static_cast<size_t>(options.top_k.value_or(1));
  // Words join candidates, so the pipeline takes more of them than it will give back.
  const size_t candidates = options.align_to_words ? top_k * 2 + 10 : top_k;
  const int32_t context = question_first(model) ? 1 : 0;
  AnswerList answers(*encoded.input.pair);
  double least_null = 1000000;
  int64_t row = 0;
  for (size_t w = 0; w < encoded.sequences.size(); ++w) {
    const Window& window = encoded.windows[w];
    const auto allowed = allowed_tokens(encoded.sequences[w], window, model);
    auto start = masked_softmax(output, row, 0, allowed);
    auto end = masked_softmax(output, row, 1, allowed);
    row += encoded.sequences[w].size();
    least_null = std::min(least_null, double{start[0] * end[0]});
    start[0] = end[0] = 0;
    const auto max_length = static_cast<size_t>(options.max_answer_len);
    const WordSpans words(window, context);
    for (const Candidate& found : best_candidates(start, end, candidates, max_length)) {
      if (allowed[found.start] == 0 || allowed[found.end] == 0) continue;
      const tokenizer::Span tokens{window.offsets[found.start].start,
                                   window.offsets[found.end].end};
      const auto whole =
          options.align_to_words ? words.around(found.start, found.end) : std::nullopt;
      answers.add(whole.value_or(tokens), found.score);
    }
  }
  if (options.handle_impossible_answer) answers.add_impossible(least_null);
  QaResult result;
  result.list = options.top_k.has_value();
  result.answers = answers.best(top_k);
  return result;
}

}  // namespace tamis::tasks
