#include "serve/protocol/dialect_options.h"

#include <algorithm>
#include <chrono>
#include <span>
#include <vector>

#include "serve/batching/batch_queue.h"

namespace tamis::serve {

void read_truncated_end(const Fields& fields, Truncation& truncation) {
  const auto word = fields.word("truncate");
  if (!word) return;
  truncation.enabled = *word != "none";
  if (*word == "start") truncation.side = Side::kLeft;
  if (*word == "end") truncation.side = Side::kRight;
}

void read_prompt_tokens(const Fields& fields, Truncation& truncation) {
  const auto most = fields.integer("truncate_prompt_tokens");
  if (!most) return;
  if (*most == 0) {
    fail(ErrorCode::kInvalidArgument,
         "`truncate_prompt_tokens` must be -1 (the model's length) or at least 1");
  }
  truncation.enabled = true;
  truncation.max_length = std::max<int64_t>(*most, 0);
}

std::optional<std::string> prompt_of_type(const Fields& fields, const ModelLease& model) {
  const JsonView type = fields.json("input_type");
  const tasks::TaskModel* const known = model->model().task_model();
  if (!type.is_string() || known == nullptr) return std::nullopt;
  std::string asked(type.as_string("input_type"));
  for (char& c : asked) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  // Its own name first, then those that other models and sentence-transformers give the same.
  constexpr std::string_view kQueries[] = {"query", "search_query"};
  constexpr std::string_view kDocuments[] = {"document", "passage", "corpus", "search_document"};
  std::vector<std::string_view> names = {type.as_string("input_type"), asked};
  for (const auto group : {std::span<const std::string_view>(kQueries),
                           std::span<const std::string_view>(kDocuments)}) {
    const bool same = std::ranges::find(group, asked) != group.end();
    if (same) names.insert(names.end(), group.begin(), group.end());
  }
  for (const std::string_view name : names) {
    if (known->prompts.contains(std::string(name))) return std::string(name);
  }
  return std::nullopt;
}

uint32_t read_priority(const Fields& fields) {
  constexpr int64_t kLast = 999;
  constexpr int64_t kLevels = kLastLevel - kDefaultLevel;
  const int64_t priority = fields.integer("priority").value_or(0);
  return kDefaultLevel + static_cast<uint32_t>((priority * kLevels + kLast - 1) / kLast);
}

tasks::ScoreFunction score_function(bool raw, const ModelLease& model) {
  if (raw) return tasks::ScoreFunction::kNone;
  const tasks::TaskModel* const task = model->model().task_model();
  const bool several = task != nullptr && task->problem == tasks::Problem::kMultiLabel;
  const size_t labels = model->info().labels.size();
  return several || labels == 1 ? tasks::ScoreFunction::kSigmoid : tasks::ScoreFunction::kSoftmax;
}

tasks::ScoreFunction score_or_number(bool raw, const ModelLease& model) {
  const tasks::TaskModel* const task = model->model().task_model();
  const bool regression = task != nullptr && task->problem == tasks::Problem::kRegression;
  return score_function(raw || regression, model);
}

int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace tamis::serve
