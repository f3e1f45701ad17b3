#include "tasks/steps.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/length_limit.h"

namespace tamis::tasks {

namespace {

std::string known_prompts(const TaskModel& model) {
  if (model.prompts.empty()) return "this model has no prompts";
  std::string names = "this model has";
  for (const auto& row : model.prompts) names += cat(names.back() == 's' ? " " : ", ", row.first);
  return names;
}

// `text` is the next of encoded's sequences.
[[noreturn]] void refuse_long(const tokenizer::TextInput& text, tokenizer::EncodeOptions options,
                              const TaskModel& model, const Encoded& encoded) {
  const int64_t most = options.max_length;
  options.max_length = 0;
  options.return_overflowing = false;
  options.stride = 0;
  const std::string which = encoded.input.texts.size() > 1
                                ? cat("text ", encoded.sequences.size(), ", counted from 0,")
                                : std::string("the text");
  fail(ErrorCode::kInvalidArgument, which, " has ", model.tokenizer->encode(text, options).size(),
       " tokens, special tokens included, more than the ", most,
       " that are taken, and truncation is off");
}

/// What fills a template's places.
struct PairTexts {
  std::string_view query;
  std::string_view document;
  std::string_view instruction;  // "": the template's own
};

std::string fill(const TextTemplate& parts, const PairTexts& texts) {
  std::string text;
  for (const TextPart& part : parts) {
    if (part.slot == "query") {
      text += texts.query;
    } else if (part.slot == "document") {
      text += texts.document;
    } else {
      text += part.slot.empty() || texts.instruction.empty() ? std::string_view(part.text)
                                                             : texts.instruction;
    }
  }
  return text;
}

// The tokens that end every text of the template, as two texts of other contents have them.
std::vector<int32_t> end_of_template(const TaskModel& model, std::string_view instruction,
                                     tokenizer::EncodeOptions options) {
  options.max_length = 0;
  const auto encode = [&](std::string_view filler) {
    const std::string text = fill(model.pair_template, {filler, filler, instruction});
    return model.tokenizer->encode(text, options).ids;
  };
  const std::vector<int32_t> first = encode("0");
  const std::vector<int32_t> second = encode("1 2 3 4");
  const auto differ = std::mismatch(first.rbegin(), first.rend(), second.rbegin(), second.rend());
  if (differ.first == first.rend() || differ.second == second.rend()) return {};
  return {differ.first.base(), first.end()};
}

void append_filled(const PairTexts& texts, const Truncation& truncation, const TaskModel& model,
                   Encoded& encoded) {
  auto options = encode_options(truncation, model);
  options.add_special_tokens = false;
  const std::string text = fill(model.pair_template, texts);
  append_sequence({text}, options, truncation, model, encoded);
  std::vector<int32_t>& ids = encoded.sequences.back().ids;
  if (options.max_length == 0 || static_cast<int64_t>(ids.size()) < options.max_length) return;
  const std::vector<int32_t> end = end_of_template(model, texts.instruction, options);
  const auto kept = static_cast<int64_t>(std::min(end.size(), ids.size()));
  std::copy(end.end() - kept, end.end(), ids.end() - kept);
}

}  // namespace

tokenizer::EncodeOptions encode_options(const Truncation& truncation, const TaskModel& model) {
  check_least("max_length", truncation.max_length, 0);
  tokenizer::EncodeOptions options;
  options.max_length = tighter_limit(truncation.max_length, model.max_length);
  options.truncation_side = truncation.side.value_or(model.tokenizer->truncation_side());
  options.offsets = false;
  options.details = false;
  return options;
}

void read_in_windows(int64_t stride, const Encoded& encoded, tokenizer::EncodeOptions& options) {
  options.stride = stride;
  options.return_overflowing = true;
  if (encoded.most_tokens <= 0 || options.max_length <= 0) return;
  options.max_windows = std::max<int64_t>(1, encoded.most_tokens / options.max_length);
}

void append_row(const tokenizer::Encoding& encoding, const TaskModel& model, Encoded& encoded) {
  if (encoding.ids.empty() && !model.empty_text_id) {
    fail(ErrorCode::kInvalidArgument,
         "the text gives no tokens, and this tokenizer adds none; a text with at least one token "
         "is needed");
  }
  Sequence sequence;
  sequence.ids = encoding.ids;
  if (encoding.ids.empty()) sequence.ids = {*model.empty_text_id};
  if (model.uses_type_ids) sequence.type_ids = encoding.type_ids;
  encoded.sequences.push_back(std::move(sequence));
  encoded.windows.emplace_back();
}

tokenizer::Encoding append_sequence(const tokenizer::TextInput& text,
                                    const tokenizer::EncodeOptions& options,
                                    const Truncation& truncation, const TaskModel& model,
                                    Encoded& encoded) {
  tokenizer::Encoding encoding = model.tokenizer->encode(text, options);
  if (encoding.truncated && !truncation.enabled) refuse_long(text, options, model, encoded);
  encoded.truncated = encoded.truncated || encoding.truncated;
  append_row(encoding, model, encoded);
  return encoding;
}

void append_pair(std::string_view query, std::string_view document, const Truncation& truncation,
                 const TaskModel& model, Encoded& encoded) {
  const std::string& prompt = prompt_named(std::nullopt, model);
  if (!model.pair_template.empty()) {
    return append_filled({query, document, prompt}, truncation, model, encoded);
  }
  const std::string first = cat(prompt, query);
  append_sequence({first, document}, encode_options(truncation, model), truncation, model, encoded);
}

std::span<const float> row_of(const TensorView& tensor, int64_t i) {
  const auto width = static_cast<size_t>(tensor.shape()[1]);
  return tensor.as<float>().subspan(static_cast<size_t>(i) * width, width);
}

void check_rows(const TensorView& output, int64_t rows) {
  TAMIS_CHECK(output.dtype() == DType::kF32);
  TAMIS_CHECK(output.shape().rank() == 2);
  TAMIS_CHECK(output.shape()[0] == rows);
}

void check_labels(const TensorView& output, const TaskModel& model) {
  const int64_t width = output.shape()[1];
  if (width != static_cast<int64_t>(model.labels.size()) || width == 0) {
    fail(ErrorCode::kUnsupported, "the model gives ", width, " logits, but its config.json names ",
         model.labels.size(), " labels");
  }
}

const std::string& prompt_named(const std::optional<std::string>& name, const TaskModel& model) {
  static const std::string kNone;
  const auto& wanted = name ? name : model.default_prompt_name;
  if (!wanted) return kNone;
  const auto found = model.prompts.find(*wanted);
  if (found == model.prompts.end()) {
    fail(ErrorCode::kInvalidArgument, "unknown prompt \"", *wanted, "\"; ", known_prompts(model));
  }
  return found->second;
}

const std::string& prompt_of_side(const std::optional<std::string>& prompt,
                                  const std::optional<std::string>& prompt_name, bool query,
                                  const TaskModel& model) {
  static const std::string kNone;
  if (prompt) return *prompt;
  if (prompt_name) return prompt_named(prompt_name, model);
  const auto found = model.prompts.find(query ? "query" : "document");
  return found == model.prompts.end() ? kNone : found->second;
}

void check_single_text(const TaskInput& input, TaskKind kind) {
  if (input.pair) {
    fail(ErrorCode::kInvalidArgument, task_name(kind), " takes one text, not a pair");
  }
  if (!input.texts.empty()) {
    fail(ErrorCode::kInvalidArgument, task_name(kind), " takes one text a request");
  }
}

void check_least(std::string_view option, int64_t value, int64_t least) {
  if (value < least) {
    fail(ErrorCode::kInvalidArgument, option, " must be at least ", least, ", not ", value);
  }
}

void check_least(std::string_view option, const std::optional<int64_t>& value, int64_t least) {
  if (value) check_least(option, *value, least);
}

std::vector<int64_t> top_indices(std::span<const float> values, int64_t count) {
  std::vector<int64_t> indices(values.size());
  std::iota(indices.begin(), indices.end(), int64_t{0});
  const auto kept = std::min(static_cast<size_t>(std::max<int64_t>(count, 0)), values.size());
  // The index decides between equals, which makes the order total; NaN counts as the least.
  const auto before = [values](int64_t a, int64_t b) {
    const float x = values[static_cast<size_t>(a)];
    const float y = values[static_cast<size_t>(b)];
    if (x > y) return true;
    if (y > x) return false;
    const bool nan_x = x != x;
    const bool nan_y = y != y;
    return nan_x != nan_y ? nan_y : a < b;
  };
  std::partial_sort(indices.begin(), indices.begin() + static_cast<int64_t>(kept), indices.end(),
                    before);
  indices.resize(kept);
  return indices;
}

const std::string& label_of(const TaskModel& model, int64_t id) {
  return model.labels[static_cast<size_t>(id)];
}

}  // namespace tamis::tasks
