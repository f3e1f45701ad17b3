// Words for the masks of a text, as transformers' FillMaskPipeline gives them.
#include <algorithm>
#include <utility>

#include "math/probabilities.h"
#include "tasks/steps.h"

namespace tamis::tasks {

namespace {

int32_t mask_id(const TaskModel& model) {
  const auto mask = model.tokenizer->special_ids().mask;
  if (!mask) {
    fail(ErrorCode::kUnsupported, "fill-mask: the tokenizer does not define a mask token");
  }
  return *mask;
}

/// Ids of the targets without repeats. What is not in the vocabulary stands for its first token.
std::vector<int32_t> target_ids(const FillMaskOptions& options, const TaskModel& model) {
  std::vector<int32_t> ids;
  for (const std::string& target : options.targets) {
    auto id = model.tokenizer->token_to_id(target);
    if (!id) {
      tokenizer::EncodeOptions encode;
      encode.add_special_tokens = false;
      encode.offsets = false;
      encode.details = false;
      const auto tokens = model.tokenizer->encode(target, encode);
      if (tokens.ids.empty()) continue;
      id = tokens.ids[0];
    }
    if (std::find(ids.begin(), ids.end(), *id) == ids.end()) ids.push_back(*id);
  }
  if (ids.empty() && !options.targets.empty()) {
    fail(ErrorCode::kInvalidArgument, "fill-mask: none of the targets gives a token");
  }
  return ids;
}

/// Decodes the row's tokens with one mask filled. Other masks stay readable: special tokens are
/// left out only where there is a single mask.
class SequenceDecoder {
 public:
  SequenceDecoder(const Sequence& sequence, const TaskModel& model)
      : sequence_(sequence), tokenizer_(*model.tokenizer) {}

  [[nodiscard]] std::string filled(int32_t position, int32_t token) const {
    std::vector<int32_t> ids = sequence_.ids;
    ids[static_cast<size_t>(position)] = token;
    if (const auto pad = tokenizer_.special_ids().pad) std::erase(ids, *pad);
    return tokenizer_.decode(ids, sequence_.selected.size() == 1);
  }

 private:
  const Sequence& sequence_;
  const tokenizer::Tokenizer& tokenizer_;
};

}  // namespace

void encode_task(const FillMaskOptions& options, const TaskModel& model, Encoded& encoded) {
  check_single_text(encoded.input, TaskKind::kFillMask);
  check_least("top_k", options.top_k, 1);
  const int32_t mask = mask_id(model);
  static_cast<void>(target_ids(options, model));
  append_sequence({encoded.input.text}, encode_options(options.truncation, model),
                  options.truncation, model, encoded);
  Sequence& sequence = encoded.sequences.back();
  for (size_t i = 0; i < sequence.ids.size(); ++i) {
    if (sequence.ids[i] == mask) sequence.selected.push_back(static_cast<int32_t>(i));
  }
  if (sequence.selected.empty()) {
    fail(ErrorCode::kInvalidArgument, "fill-mask: no mask token (",
         model.tokenizer->id_to_token(mask), ") in the text",
         encoded.truncated ? " as far as the model reads it" : "");
  }
}

FillMaskResult decode_task(const FillMaskOptions& options, const TaskModel& model,
                           const Encoded& encoded, const TaskOutputs& outputs) {
  const TensorView& output = outputs.get(kLogits);
  const Sequence& sequence = encoded.sequences[0];
  check_rows(output, static_cast<int64_t>(sequence.selected.size()));
  const int64_t width = output.shape()[1];
  const std::vector<int32_t> targets = target_ids(options, model);
  for (const int32_t id : targets) {
    if (id >= width) {
      fail(ErrorCode::kUnsupported, "fill-mask: the model gives ", width,
           " logits a token, but the tokenizer has a token ", id);
    }
  }
  const SequenceDecoder decoder(sequence, model);
  FillMaskResult result;
  result.truncated = encoded.truncated;
  for (size_t m = 0; m < sequence.selected.size(); ++m) {
    const auto row = row_of(output, static_cast<int64_t>(m));
    std::vector<float> scores(row.begin(), row.end());
    math::softmax(scores);
    if (!targets.empty()) {
      std::vector<float> chosen;
      for (const int32_t id : targets) chosen.push_back(scores[static_cast<size_t>(id)]);
      scores = std::move(chosen);
    }
    auto& list = result.masks.emplace_back();
    for (const int64_t i : top_indices(scores, options.top_k)) {
      const auto at = static_cast<size_t>(i);
      const int32_t id = targets.empty() ? static_cast<int32_t>(i) : targets[at];
      const int32_t ids[] = {id};
      list.push_back({scores[at], id, model.tokenizer->decode(ids, false),
                      decoder.filled(sequence.selected[m], id)});
    }
  }
  return result;
}

}  // namespace tamis::tasks
