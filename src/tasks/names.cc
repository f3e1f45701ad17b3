#include "tasks/task.h"

#include <iterator>

#include "base/error.h"
#include "base/named.h"

// The names of tasks and of their options' values, and which tasks answer for others: apart from
// the tasks themselves, so that what only reads names (the manifest's fuzz target) needs nothing
// else of this module.
namespace tamis::tasks {

namespace {

struct TaskRow {
  std::string_view name;
  std::string_view output;
};

constexpr TaskRow kTasks[] = {
#define TAMIS_TASK(Kind, task, row_output) {task, row_output},
#include "tasks/tasks.inc"
#undef TAMIS_TASK
};
static_assert(std::size(kTasks) == std::variant_size_v<TaskOptions>);
static_assert(std::size(kTasks) == std::variant_size_v<TaskResult>);

}  // namespace

std::string_view task_name(TaskKind kind) { return kTasks[static_cast<size_t>(kind)].name; }

std::string_view task_output(TaskKind kind) { return kTasks[static_cast<size_t>(kind)].output; }

std::span<const std::string_view> task_outputs(TaskKind kind) {
  static constexpr std::string_view kAll[] = {kSentenceEmbedding, kSparseEmbedding, kTokenVectors};
  if (kind == TaskKind::kEmbedAll) return kAll;
  return {&kTasks[static_cast<size_t>(kind)].output, 1};
}

std::optional<TaskKind> task_from_name(std::string_view name) {
  for (size_t i = 0; i < std::size(kTasks); ++i) {
    if (kTasks[i].name == name) return static_cast<TaskKind>(i);
  }
  return std::nullopt;
}

std::string known_tasks() {
  std::string names;
  for (const TaskRow& row : kTasks) names += cat(names.empty() ? "" : ", ", row.name);
  return names;
}

std::optional<ScoreFunction> score_function_from_name(std::string_view name) {
  static constexpr Named<ScoreFunction> kRows[] = {{"softmax", ScoreFunction::kSoftmax},
                                                   {"sigmoid", ScoreFunction::kSigmoid},
                                                   {"none", ScoreFunction::kNone}};
  return value_named(kRows, name);
}

std::optional<Aggregation> aggregation_from_name(std::string_view name) {
  static constexpr Named<Aggregation> kRows[] = {{"none", Aggregation::kNone},
                                                 {"simple", Aggregation::kSimple},
                                                 {"first", Aggregation::kFirst},
                                                 {"average", Aggregation::kAverage},
                                                 {"max", Aggregation::kMax}};
  return value_named(kRows, name);
}

bool can_answer(TaskKind loaded, TaskKind asked) {
  if (loaded == asked) return true;
  const bool vectors = loaded == TaskKind::kEmbedMulti || loaded == TaskKind::kEmbedAll;
  const bool part = asked == TaskKind::kEmbed || asked == TaskKind::kEmbedSparse ||
                    asked == TaskKind::kEmbedMulti;
  const auto labels = [](TaskKind kind) {
    return kind == TaskKind::kClassify || kind == TaskKind::kRerank || kind == TaskKind::kZeroShot;
  };
  return (vectors && asked == TaskKind::kRerank) || (loaded == TaskKind::kEmbedAll && part) ||
         (labels(loaded) && labels(asked));
}

}  // namespace tamis::tasks
