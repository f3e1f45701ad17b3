// The entities in a text, as transformers' TokenClassificationPipeline finds them.
#include <algorithm>
#include <utility>

#include "math/probabilities.h"
#include "tasks/code_points.h"
#include "tasks/ner_labels.h"
#include "tasks/steps.h"

namespace tamis::tasks {

namespace {

/// A token of the text with the probabilities of its labels.
struct Token {
  std::string word;
  std::vector<float> scores;
  int64_t index = 0;
  int64_t start = 0;
  int64_t end = 0;
  bool is_subword = false;
};

size_t best_label(const std::vector<float>& scores) {
  return static_cast<size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

/// What decoding one request needs at every step.
class NerDecoder {
 public:
  NerDecoder(const NerOptions& options, const TaskModel& model, std::string_view text)
      : options_(options), model_(model), text_(text) {}

  [[nodiscard]] std::vector<Entity> window_entities(const Sequence& sequence, const Window& window,
                                                    const TensorView& logits, int64_t row) const {
    std::vector<Entity> entities = aggregate(read_tokens(sequence, window, logits, row));
    std::erase_if(entities, [this](const Entity& entity) {
      return std::find(options_.ignore_labels.begin(), options_.ignore_labels.end(),
                       entity.label) != options_.ignore_labels.end();
    });
    return entities;
  }

 private:
  [[nodiscard]] std::vector<Token> read_tokens(const Sequence& sequence, const Window& window,
                                               const TensorView& logits, int64_t row) const;
  [[nodiscard]] bool is_subword(const Token& token) const;
  [[nodiscard]] std::vector<Entity> aggregate(const std::vector<Token>& tokens) const;
  [[nodiscard]] Entity token_entity(const Token& token) const;
  [[nodiscard]] Entity word_entity(std::span<const Token> tokens) const;
  [[nodiscard]] std::vector<Entity> group(const std::vector<Entity>& entities) const;
  [[nodiscard]] Entity group_entity(std::span<const Entity> entities) const;

  const NerOptions& options_;
  const TaskModel& model_;
  CodePoints text_;
};

std::vector<Token> NerDecoder::read_tokens(const Sequence& sequence, const Window& window,
                                           const TensorView& logits, int64_t row) const {
  const auto unk = model_.tokenizer->special_ids().unk;
  std::vector<Token> tokens;
  for (size_t i = 0; i < sequence.ids.size(); ++i) {
    if (window.special_mask[i] != 0) continue;
    Token token;
    const auto scores = row_of(logits, row + static_cast<int64_t>(i));
    token.scores.assign(scores.begin(), scores.end());
    math::softmax(token.scores);
    token.index = static_cast<int64_t>(i);
    token.start = window.offsets[i].start;
    token.end = window.offsets[i].end;
    if (sequence.ids[i] == unk) {
      token.word = text_.slice(token.start, token.end);
    } else {
      token.word = model_.tokenizer->id_to_token(sequence.ids[i]);
      token.is_subword = is_subword(token);
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

bool NerDecoder::is_subword(const Token& token) const {
  if (!model_.tokenizer->continuing_subword_prefix().empty()) {
    // A piece with the prefix is longer than its text.
    const auto text = text_.slice(token.start, token.end);
    return count_code_points(token.word) != count_code_points(text);
  }
  return token.start > 0 &&
         text_.slice(token.start - 1, token.start + 1).find(' ') == std::string_view::npos;
}

std::vector<Entity> NerDecoder::aggregate(const std::vector<Token>& tokens) const {
  std::vector<Entity> entities;
  const bool by_token =
      options_.aggregation == Aggregation::kNone || options_.aggregation == Aggregation::kSimple;
  for (size_t begin = 0; begin < tokens.size();) {
    size_t end = begin + 1;
    while (!by_token && end < tokens.size() && tokens[end].is_subword) ++end;
    entities.push_back(by_token ? token_entity(tokens[begin])
                                : word_entity(std::span(tokens).subspan(begin, end - begin)));
    begin = end;
  }
  return options_.aggregation == Aggregation::kNone ? entities : group(entities);
}

Entity NerDecoder::token_entity(const Token& token) const {
  const size_t best = best_label(token.scores);
  return {label_of(model_, static_cast<int64_t>(best)),
          token.scores[best],
          token.index,
          token.word,
          token.start,
          token.end};
}

/// The probabilities that stand for a word of several tokens.
std::vector<float> word_scores(std::span<const Token> tokens, Aggregation aggregation) {
  if (aggregation == Aggregation::kFirst) return tokens[0].scores;
  if (aggregation == Aggregation::kMax) {
    const auto greatest = [](const Token& token) { return token.scores[best_label(token.scores)]; };
    return std::max_element(
               tokens.begin(), tokens.end(),
               [&greatest](const Token& a, const Token& b) { return greatest(a) < greatest(b); })
        ->scores;
  }
  std::vector<float> means(tokens[0].scores.size());
  for (size_t label = 0; label < means.size(); ++label) {
    double sum = 0;
    for (const Token& token : tokens) sum += token.scores[label];
    means[label] = static_cast<float>(sum / static_cast<double>(tokens.size()));
  }
  return means;
}

Entity NerDecoder::word_entity(std::span<const Token> tokens) const {
  std::vector<std::string> words;
  for (const Token& token : tokens) words.push_back(token.word);
  const auto scores = word_scores(tokens, options_.aggregation);
  const size_t best = best_label(scores);
  return {
      label_of(model_, static_cast<int64_t>(best)),      scores[best],         tokens[0].index,
      model_.tokenizer->decode_tokens(std::move(words)), tokens.front().start, tokens.back().end};
}

struct Tag {
  bool begins = false;
  std::string_view name;
};

/// "B-PER" begins a PER; "I-PER" and a bare "PER" go on with one.
Tag tag_of(std::string_view label) {
  const bool begins = label.starts_with("B-");
  return {begins, begins || label.starts_with("I-") ? label.substr(2) : label};
}

std::vector<Entity> NerDecoder::group(const std::vector<Entity>& entities) const {
  std::vector<Entity> groups;
  for (size_t begin = 0; begin < entities.size();) {
    size_t end = begin + 1;
    for (; end < entities.size(); ++end) {
      const Tag tag = tag_of(entities[end].label);
      if (tag.begins || tag.name != tag_of(entities[end - 1].label).name) break;
    }
    groups.push_back(group_entity(std::span(entities).subspan(begin, end - begin)));
    begin = end;
  }
  return groups;
}

Entity NerDecoder::group_entity(std::span<const Entity> entities) const {
  std::vector<std::string> words;
  double sum = 0;
  for (const Entity& entity : entities) {
    words.push_back(entity.word);
    sum += entity.score;
  }
  Entity group = entities.front();
  const size_t dash = group.label.find('-');
  if (dash != std::string::npos) group.label.erase(0, dash + 1);
  group.score = static_cast<float>(sum / static_cast<double>(entities.size()));
  group.word = model_.tokenizer->decode_tokens(std::move(words));
  group.end = entities.back().end;
  return group;
}

/// Of entities that begin inside one another, the longest stays, of equal ones the surer.
std::vector<Entity> merge_overlapping(std::vector<Entity> entities) {
  if (entities.empty()) return entities;
  std::stable_sort(entities.begin(), entities.end(),
                   [](const Entity& a, const Entity& b) { return a.start < b.start; });
  std::vector<Entity> merged;
  Entity kept = entities[0];
  // The first one meets itself; an empty one does not overlap itself and so comes twice, as there.
  for (Entity& entity : entities) {
    if (kept.start <= entity.start && entity.start < kept.end) {
      const int64_t length = entity.end - entity.start;
      const int64_t kept_length = kept.end - kept.start;
      if (length > kept_length || (length == kept_length && entity.score > kept.score)) {
        kept = entity;
      }
    } else {
      merged.push_back(std::move(kept));
      kept = entity;
    }
  }
  merged.push_back(std::move(kept));
  return merged;
}

void keep_details(tokenizer::Encoding& encoding, Window& window) {
  window.offsets = std::move(encoding.offsets);
  window.special_mask = std::move(encoding.special_mask);
}

}  // namespace

void encode_task(const NerOptions& options, const TaskModel& model, Encoded& encoded) {
  check_single_text(encoded.input, TaskKind::kNer);
  if (model.span_labels) return encode_labels(options, model, encoded);
  refuse_labels(options);
  auto encode = encode_options(options.truncation, model);
  encode.offsets = true;
  encode.details = true;
  if (!options.stride) {
    auto encoding =
        append_sequence({encoded.input.text}, encode, options.truncation, model, encoded);
    keep_details(encoding, encoded.windows.back());
    return;
  }
  check_least("stride", *options.stride, 0);
  if (options.aggregation == Aggregation::kNone) {
    fail(ErrorCode::kInvalidArgument,
         "stride needs an aggregation: simple, first, average or max, since windows overlap");
  }
  if (encode.max_length > 0 && *options.stride >= encode.max_length) {
    fail(ErrorCode::kInvalidArgument, "stride must be less than the window of ", encode.max_length,
         " tokens, not ", *options.stride);
  }
  read_in_windows(*options.stride, encoded, encode);
  auto first = model.tokenizer->encode(encoded.input.text, encode);
  append_row(first, model, encoded);
  keep_details(first, encoded.windows.back());
  for (auto& window : first.overflowing) {
    append_row(window, model, encoded);
    keep_details(window, encoded.windows.back());
  }
}

NerResult decode_task(const NerOptions& options, const TaskModel& model, const Encoded& encoded,
                      const TaskOutputs& outputs) {
  const TensorView& output = outputs.get(kLogits);
  if (model.span_labels) return decode_labels(options, model, encoded, output);
  check_rows(output, encoded.tokens());
  check_labels(output, model);
  const NerDecoder decoder(options, model, encoded.input.text);
  NerResult result;
  result.grouped = options.aggregation != Aggregation::kNone;
  result.truncated = encoded.truncated;
  int64_t row = 0;
  for (size_t i = 0; i < encoded.sequences.size(); ++i) {
    const Sequence& sequence = encoded.sequences[i];
    auto entities = decoder.window_entities(sequence, encoded.windows[i], output, row);
    std::move(entities.begin(), entities.end(), std::back_inserter(result.entities));
    row += sequence.size();
  }
  if (encoded.sequences.size() > 1) result.entities = merge_overlapping(std::move(result.entities));
  return result;
}

}  // namespace tamis::tasks
