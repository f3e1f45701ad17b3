// A vector for a text, as sentence-transformers' encode() gives it.
#include <algorithm>

#include "math/probabilities.h"
#include "tasks/code_points.h"
#include "tasks/steps.h"

namespace tamis::tasks {

namespace {

// The first `dimensions`, or what the model keeps by itself: that is cut from a vector of unit
// length, as sentence-transformers' Normalize is a module and truncate_dim comes behind them all.
std::vector<float> cut(const EmbedOptions& options, const TaskModel& model,
                       std::span<const float> row) {
  const auto width = static_cast<int64_t>(row.size());
  std::vector<float> vector(row.begin(), row.end());
  if (!options.dimensions && model.truncate_dim && model.normalize && !options.normalize) {
    math::l2_normalize(vector);
  }
  const int64_t kept = std::min(model.truncate_dim.value_or(width), width);
  vector.resize(static_cast<size_t>(options.dimensions.value_or(kept)));
  return vector;
}

// Tokens of the prompt alone, less a special one at the end: what sentence-transformers counts.
int32_t prompt_tokens(std::string_view prompt, const tokenizer::EncodeOptions& options,
                      const TaskModel& model) {
  const std::vector<int32_t> ids = model.tokenizer->encode(prompt, options).ids;
  const bool ends = !ids.empty() && model.tokenizer->is_special(ids.back());
  return static_cast<int32_t>(ids.size()) - (ends ? 1 : 0);
}

std::string prompt_of(const EmbedOptions& options, const TaskModel& model) {
  return options.prompt ? *options.prompt : prompt_named(options.prompt_name, model);
}

// Whether another model than that of documents reads the text.
bool is_routed(const EmbedOptions& options, const TaskModel& model) {
  if (model.embed_query == nullptr) return false;
  if (options.prompt_name == "query") return true;
  if (options.prompt_name == "document") return false;
  if (model.unnamed_side == TextSide::kNone) {
    fail(ErrorCode::kInvalidArgument,
         "the model's Router has no default route; name a prompt: \"query\" or \"document\"");
  }
  return model.unnamed_side == TextSide::kQuery;
}

EmbedResult routed(const EmbedOptions& options, const TaskModel& model, const Encoded& encoded) {
  EmbedOptions plain = options;
  plain.prompt = "";
  plain.prompt_name.reset();
  TAMIS_CHECK(model.embed_query != nullptr);
  return model.embed_query(prompt_of(options, model) + encoded.input.text, plain);
}

}  // namespace

void encode_task(const EmbedOptions& options, const TaskModel& model, Encoded& encoded) {
  check_single_text(encoded.input, TaskKind::kEmbed);
  check_least("dimensions", options.dimensions, 1);
  if (is_routed(options, model)) {
    // What would be refused is, before the request waits for others.
    static_cast<void>(routed(options, model, encoded));
    return;
  }
  std::string prompt = prompt_of(options, model);
  std::string text = prompt + encoded.input.text;
  auto encode = encode_options(options.truncation, model);
  if (model.do_lower_case) {
    // The tokenizer would refuse these bytes; lower_case() must not meet them before.
    static_cast<void>(model.tokenizer->encode(text, encode));
    text = lower_case(text);
    prompt = lower_case(prompt);
  }
  append_sequence({text}, encode, options.truncation, model, encoded);
  if (model.include_prompt || prompt.empty()) return;
  Sequence& sequence = encoded.sequences.back();
  sequence.unpooled =
      std::min(prompt_tokens(prompt, encode, model), static_cast<int32_t>(sequence.size()));
}

EmbedResult decode_task(const EmbedOptions& options, const TaskModel& model, const Encoded& encoded,
                        const TaskOutputs& outputs) {
  if (encoded.sequences.empty()) return routed(options, model, encoded);
  const TensorView& output = outputs.get(kSentenceEmbedding);
  check_rows(output, 1);
  const int64_t width = output.shape()[1];
  if (options.dimensions.value_or(0) > width) {
    fail(ErrorCode::kInvalidArgument, "dimensions must be at most the model's ", width, ", not ",
         *options.dimensions);
  }
  EmbedResult result;
  result.embedding = cut(options, model, row_of(output, 0));
  result.truncated = encoded.truncated;
  const bool cut_last = !options.dimensions && model.truncate_dim;
  if (options.normalize.value_or(model.normalize && !cut_last)) {
    math::l2_normalize(result.embedding);
  }
  return result;
}

}  // namespace tamis::tasks
