#include "serve/batching/budget.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace tamis::serve {

namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

// Products of what clients write: the limit stands for all that is beyond it.
int64_t times(int64_t a, int64_t b) { return a != 0 && b > kMost / a ? kMost : a * b; }

// A sequence beside its tokens: its vectors, its window, its place in the queue and its result.
constexpr int64_t kSequenceBytes = 512;
// A row of an answer: strings' headers and its JSON's keys and numbers.
constexpr int64_t kResultBytes = 160;
// A word for a mask: two strings more, and their JSON while the text that holds it grows.
constexpr int64_t kMaskBytes = 512;
// An answer to a question that is still compared with others: less memory than time, as its text is
// lower-cased for each comparison.
constexpr int64_t kCandidateBytes = 1024;

int64_t size_of(std::string_view text) { return static_cast<int64_t>(text.size()); }

struct Size {
  int64_t count = 0;
  int64_t bytes_each = 0;
};

Size result_of(const tasks::EmbedOptions&, const tasks::Encoded&, const LabelSizes&) { return {}; }

// A few hundred of the vocabulary's tokens have a weight.
Size result_of(const tasks::EmbedSparseOptions& options, const tasks::Encoded&, const LabelSizes&) {
  constexpr int64_t kWeights = 1024;
  constexpr int64_t kWeightBytes = 64;
  return {std::min(options.top_k.value_or(kWeights), kWeights), kWeightBytes};
}

Size result_of(const tasks::EmbedMultiOptions&, const tasks::Encoded&, const LabelSizes&) {
  return {};
}

Size result_of(const tasks::EmbedAllOptions&, const tasks::Encoded& encoded,
               const LabelSizes& labels) {
  return result_of(tasks::EmbedSparseOptions{}, encoded, labels);
}

Size result_of(const tasks::ClassifyOptions& options, const tasks::Encoded&,
               const LabelSizes& labels) {
  if (labels.count == 0) return {};
  const int64_t kept = std::min(options.top_k.value_or(labels.count), labels.count);
  return {kept, kResultBytes + 2 * labels.bytes / labels.count};
}

Size result_of(const tasks::RerankOptions&, const tasks::Encoded& encoded, const LabelSizes&) {
  int64_t bytes = 0;
  for (const std::string& text : encoded.input.texts) bytes += kResultBytes + 2 * size_of(text);
  return {1, bytes};
}

Size result_of(const tasks::ZeroShotOptions&, const tasks::Encoded& encoded, const LabelSizes&) {
  int64_t bytes = 2 * size_of(encoded.input.text);
  for (const std::string& label : encoded.input.texts) bytes += kResultBytes + 2 * size_of(label);
  return {1, bytes};
}

// Entities are few of the tokens; token_bytes() has room for those of overlapping windows. Over
// labels that come with the text there may be one for each word, nested ones for twice as many
// spans, and several labels for each.
Size result_of(const tasks::NerOptions& options, const tasks::Encoded& encoded, const LabelSizes&) {
  if (options.labels.empty()) return {};
  constexpr int64_t kNestedWords = 16;
  int64_t words = 0;
  for (const tasks::Window& window : encoded.windows) {
    words += static_cast<int64_t>(window.offsets.size());
  }
  int64_t longest = 0;
  for (const std::string& label : options.labels) longest = std::max(longest, size_of(label));
  const int64_t text = 2 * size_of(encoded.input.text) / std::max<int64_t>(words, 1);
  const auto labels = static_cast<int64_t>(options.labels.size());
  const int64_t spans = times(words, options.nested ? 2 : 1);
  return {times(spans, options.multi_label ? labels : 1),
          kResultBytes + 2 * longest + (options.nested ? kNestedWords : 1) * text};
}

int64_t candidates_of(const tasks::QaOptions& options) {
  // As decoding takes them: words join candidates.
  return times(options.top_k.value_or(1), 2) + 10;
}

Size result_of(const tasks::QaOptions& options, const tasks::Encoded& encoded, const LabelSizes&) {
  int64_t candidates = 0;
  for (const tasks::Sequence& sequence : encoded.sequences) {
    const int64_t pairs = times(sequence.size(), sequence.size());
    candidates += times(std::min(candidates_of(options), pairs), kCandidateBytes);
  }
  const int64_t context = encoded.input.pair ? size_of(*encoded.input.pair) : 0;
  // A token stands for 16 bytes of text at most on average.
  const int64_t answer = std::min(context, times(options.max_answer_len, 16));
  return {1, candidates + times(options.top_k.value_or(1), kResultBytes + 2 * answer)};
}

Size result_of(const tasks::FillMaskOptions& options, const tasks::Encoded& encoded,
               const LabelSizes&) {
  int64_t masks = 0;
  int64_t tokens = 0;
  for (const tasks::Sequence& sequence : encoded.sequences) {
    masks += static_cast<int64_t>(sequence.selected.size());
    tokens += sequence.size();
  }
  const int64_t most =
      options.targets.empty() ? options.top_k : static_cast<int64_t>(options.targets.size());
  const int64_t kept = std::min(options.top_k, most);
  // The text with the mask filled: a decoded token has 8 bytes or the text's own.
  return {times(masks, kept), kMaskBytes + 2 * (size_of(encoded.input.text) + 8 * tokens)};
}

}  // namespace

void Budget::check_items(std::string_view key, size_t count) const {
  if (count <= static_cast<size_t>(limits_.max_items)) return;
  fail(ErrorCode::kInvalidArgument, "`", key, "` has ", count, " items; this server takes at most ",
       limits_.max_items, " a request");
}

void Budget::check(std::string_view what, int64_t count, int64_t bytes_each) const {
  if (times(count, bytes_each) > left_bytes()) refuse(what, count, bytes_each);
}

void Budget::refuse(std::string_view what, int64_t count, int64_t bytes_each) const {
  fail(ErrorCode::kInvalidArgument, "the request is too large: ", count, " ", what, " of ",
       bytes_each, " bytes each, where ", left_bytes(), " of ", limits_.max_answer_bytes,
       " bytes are left (--max-answer); split it");
}

void Budget::take(std::string_view what, int64_t count, int64_t bytes_each) {
  const int64_t bytes = times(count, bytes_each);
  int64_t taken = taken_.load();
  do {
    if (bytes > limits_.max_answer_bytes - taken) refuse(what, count, bytes_each);
  } while (!taken_.compare_exchange_weak(taken, taken + bytes));
}

int64_t token_bytes(const tasks::TaskOptions& options) {
  // Ids, types and positions; offsets, masks and words where the task reads them; an entity of a
  // token for each window that it stands in.
  constexpr int64_t kPlain = 24;
  constexpr int64_t kDetailed = 64;
  constexpr int64_t kEntity = 192;
  if (const auto* ner = std::get_if<tasks::NerOptions>(&options)) {
    return ner->stride ? kDetailed + kEntity : kDetailed;
  }
  return std::holds_alternative<tasks::QaOptions>(options) ? kDetailed : kPlain;
}

namespace {

// All pairs of an input's text with each of its texts.
Size pairs_of(const tasks::TaskInput& input) {
  const auto pairs = static_cast<int64_t>(input.texts.size());
  int64_t bytes = 0;
  for (const std::string& text : input.texts) bytes += size_of(text);
  return {pairs, kSequenceBytes + size_of(input.text) + bytes / std::max<int64_t>(pairs, 1)};
}

}  // namespace

void take_texts(Budget& budget, const tasks::TaskInput& input) {
  if (input.texts.empty()) return take_sequences(budget, 1);
  const Size pairs = pairs_of(input);
  budget.take("pairs of texts", pairs.count, pairs.bytes_each);
}

void check_texts(const Budget& budget, const tasks::TaskInput& input, int64_t inputs) {
  const Size pairs = pairs_of(input);
  budget.check("pairs of texts", times(inputs, pairs.count), pairs.bytes_each);
}

void take_options(Budget& budget, const tasks::TaskOptions& options, int64_t inputs) {
  const int64_t bytes = std::visit(
      [](const auto& own) {
        int64_t sum = 0;
        const auto add = [&sum](const std::string& text) {
          sum += size_of(text) + static_cast<int64_t>(sizeof(std::string));
        };
        if constexpr (requires { own.prompt; }) {
          if (own.prompt) add(*own.prompt);
        }
        if constexpr (requires { own.prompt_name; }) {
          if (own.prompt_name) add(*own.prompt_name);
        }
        if constexpr (requires { own.ignore_labels; })
          std::ranges::for_each(own.ignore_labels, add);
        if constexpr (requires { own.labels; }) std::ranges::for_each(own.labels, add);
        if constexpr (requires { own.targets; }) std::ranges::for_each(own.targets, add);
        if constexpr (requires { own.hypothesis_template; }) add(own.hypothesis_template);
        return sum;
      },
      options);
  budget.take("options", inputs, bytes);
}

void take_hypotheses(Budget& budget, const tasks::ZeroShotOptions& options,
                     const tasks::TaskInput& input) {
  const std::string& text = options.hypothesis_template;
  const auto places = static_cast<int64_t>(std::ranges::count(text, '{'));
  int64_t bytes = 0;
  for (const std::string& label : input.texts) bytes += times(places, size_of(label));
  const auto labels = std::max<int64_t>(1, static_cast<int64_t>(input.texts.size()));
  budget.take("hypotheses", labels, size_of(text) + bytes / labels);
}

void take_sequences(Budget& budget, int64_t count) {
  budget.take("sequences", count, kSequenceBytes);
}

void take_result(Budget& budget, const tasks::Encoded& encoded, const LabelSizes& labels) {
  const Size size = std::visit(
      [&](const auto& options) { return result_of(options, encoded, labels); }, encoded.options);
  budget.take("results", size.count, size.bytes_each);
}

int64_t decode_steps(const tasks::Encoded& encoded) {
  int64_t tokens = 0;
  for (const tasks::Sequence& sequence : encoded.sequences) tokens += sequence.size();
  if (const auto* qa = std::get_if<tasks::QaOptions>(&encoded.options)) {
    int64_t steps = 0;
    for (const tasks::Sequence& sequence : encoded.sequences) {
      const int64_t ends = std::min(qa->max_answer_len, sequence.size());
      steps += times(sequence.size(), ends);
    }
    return steps + times(candidates_of(*qa), 100);
  }
  if (const auto* ner = std::get_if<tasks::NerOptions>(&encoded.options)) {
    // Of a span of up to a dozen words each label's score is read.
    return times(10 * tokens, std::max<int64_t>(1, static_cast<int64_t>(ner->labels.size())));
  }
  if (const auto* mask = std::get_if<tasks::FillMaskOptions>(&encoded.options)) {
    // Each row of the answer decodes the whole text.
    int64_t masks = 0;
    for (const tasks::Sequence& sequence : encoded.sequences) {
      masks += static_cast<int64_t>(sequence.selected.size());
    }
    return times(times(mask->top_k, masks), 10 * tokens);
  }
  return static_cast<int64_t>(encoded.input.texts.size());
}

}  // namespace tamis::serve
