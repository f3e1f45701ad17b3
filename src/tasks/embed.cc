// A vector for a text, as sentence-transformers' encode() gives it.
#include "math/probabilities.h"
#include "tasks/code_points.h"
#include "tasks/steps.h"

namespace tamis::tasks {

namespace {

std::string known_prompts(const TaskModel& model) {
  if (model.prompts.empty()) return "this model has no prompts";
  std::string names = "this model has";
  for (const auto& row : model.prompts) names += cat(names.back() == 's' ? " " : ", ", row.first);
  return names;
}

const std::string& prompt_of(const EmbedOptions& options, const TaskModel& model) {
  static const std::string kNone;
  if (options.prompt) return *options.prompt;
  const auto& name = options.prompt_name ? options.prompt_name : model.default_prompt_name;
  if (!name) return kNone;
  const auto found = model.prompts.find(*name);
  if (found == model.prompts.end()) {
    fail(ErrorCode::kInvalidArgument, "unknown prompt \"", *name, "\"; ", known_prompts(model));
  }
  return found->second;
}

}  // namespace

void encode_task(const EmbedOptions& options, const TaskModel& model, Encoded& encoded) {
  check_single_text(encoded.input, TaskKind::kEmbed);
  check_least("dimensions", options.dimensions, 1);
  const std::string& prompt = prompt_of(options, model);
  if (!prompt.empty() && !model.include_prompt) {
    fail(
        ErrorCode::kUnsupported,
        "1_Pooling/config.json leaves the prompt out of the pooling (include_prompt: false), which "
        "is not built; embed without a prompt");
  }
  std::string text = prompt + encoded.input.text;
  auto encode = encode_options(options.truncation, model);
  if (model.do_lower_case) {
    // The tokenizer would refuse these bytes; lower_case() must not meet them before.
    static_cast<void>(model.tokenizer->encode(text, encode));
    text = lower_case(text);
  }
  append_sequence({text}, encode, options.truncation, model, encoded);
}

EmbedResult decode_task(const EmbedOptions& options, const TaskModel& model, const Encoded& encoded,
                        const TensorView& output) {
  check_rows(output, 1);
  const int64_t width = output.shape()[1];
  const int64_t kept = options.dimensions.value_or(width);
  if (kept > width) {
    fail(ErrorCode::kInvalidArgument, "dimensions must be at most the model's ", width, ", not ",
         kept);
  }
  const auto row = row_of(output, 0).first(static_cast<size_t>(kept));
  EmbedResult result;
  result.embedding.assign(row.begin(), row.end());
  result.truncated = encoded.truncated;
  if (options.normalize.value_or(model.normalize)) math::l2_normalize(result.embedding);
  return result;
}

}  // namespace tamis::tasks
