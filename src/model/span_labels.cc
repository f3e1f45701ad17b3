#include "model/span_labels.h"

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "models/models.h"

namespace tamis::api {

namespace {

// The ids that the package gives to [FLERT], the mark of labels and the separator, in this order,
// when a tokenizer lacks them.
int32_t added_separator(const GlinerConfig& config, const tokenizer::Tokenizer& tokenizer,
                        const std::filesystem::path& folder) {
  const int64_t first = tokenizer.vocab_size();
  if (config.class_token_index == first + 1) return static_cast<int32_t>(first + 2);
  fail(ErrorCode::kUnsupported, (folder / kGlinerConfig).string(), ": sep_token ",
       json_quote(config.sep_token.substr(0, 200)),
       " is no token of the tokenizer; accepted are the tokenizer files that the model was saved "
       "with");
}

}  // namespace

tasks::SpanLabels span_labels(const GlinerConfig& config, const tokenizer::Tokenizer* tokenizer,
                              const std::filesystem::path& folder) {
  tasks::SpanLabels labels;
  labels.label_token = static_cast<int32_t>(config.class_token_index);
  labels.behind_token = !config.embed_ent_token;
  labels.max_words = config.max_len;
  labels.max_width = config.max_width;
  labels.most_labels = models::most_labels(config);
  if (tokenizer == nullptr) return labels;
  const auto mark = tokenizer->token_to_id(config.ent_token);
  if (mark && *mark != labels.label_token) {
    fail(ErrorCode::kUnsupported, (folder / kGlinerConfig).string(), ": class_token_index ",
         config.class_token_index, ", but the tokenizer's ",
         json_quote(config.ent_token.substr(0, 200)), " is ", *mark,
         "; accepted are the tokenizer files that the model was saved with");
  }
  const auto separator = tokenizer->token_to_id(config.sep_token);
  labels.separator = separator ? *separator : added_separator(config, *tokenizer, folder);
  return labels;
}

const std::vector<std::string>& usual_labels() {
  static const std::vector<std::string> kLabels = {"person", "organization", "location",
                                                   "date",   "product",      "event"};
  return kLabels;
}

tasks::TaskOptions usual_options(const LoadedModel& model) {
  tasks::TaskOptions options = tasks::default_options(model.task());
  if (model.task_model().span_labels) {
    std::get<tasks::NerOptions>(options).labels = usual_labels();
  }
  return options;
}

void draw_labels(const tasks::SpanLabels& labels, tasks::Sequence& sequence) {
  constexpr int32_t kLabels = 5;
  constexpr int32_t kTokensOfFourWords = 5;  // as in English
  const auto tokens = static_cast<int32_t>(sequence.ids.size());
  const int32_t marked = std::min(kLabels, (tokens - 2) / 4);
  for (int32_t l = 0; l < marked; ++l) {
    sequence.ids[static_cast<size_t>(2 * l)] = labels.label_token;
    sequence.selected.push_back(2 * l + (labels.behind_token ? 1 : 0));
  }
  for (int32_t i = 2 * std::max(marked, 0); i < tokens; ++i) {
    if (i % kTokensOfFourWords != 1) sequence.selected.push_back(i);
  }
}

std::vector<int32_t> select_first_word(const std::vector<int32_t>& ids,
                                       const tasks::SpanLabels& labels) {
  std::vector<int32_t> selected;
  const auto last = static_cast<int32_t>(ids.size()) - 1;
  for (int32_t i = 0; i < last; ++i) {
    const int32_t id = ids[static_cast<size_t>(i)];
    if (id == labels.label_token) selected.push_back(labels.behind_token ? i + 1 : i);
    if (id != labels.separator) continue;
    selected.push_back(i + 1);
    break;
  }
  return selected;
}

}  // namespace tamis::api
