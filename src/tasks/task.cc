#include "tasks/task.h"

#include <algorithm>
#include <array>
#include <utility>

#include "tasks/steps.h"

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

#define TAMIS_TASK(Kind, task, row_output)                                                         \
  static_assert(std::is_same_v<std::variant_alternative_t<size_t(TaskKind::k##Kind), TaskOptions>, \
                               Kind##Options> &&                                                   \
                std::is_same_v<std::variant_alternative_t<size_t(TaskKind::k##Kind), TaskResult>,  \
                               Kind##Result>);
#include "tasks/tasks.inc"
#undef TAMIS_TASK

template <typename T>
struct Named {
  std::string_view name;
  T value;
};

template <typename T, size_t n>
std::optional<T> find_name(const Named<T> (&rows)[n], std::string_view name) {
  for (const auto& row : rows) {
    if (row.name == name) return row.value;
  }
  return std::nullopt;
}

}  // namespace

std::string_view task_name(TaskKind kind) { return kTasks[static_cast<size_t>(kind)].name; }

std::string_view task_output(TaskKind kind) { return kTasks[static_cast<size_t>(kind)].output; }

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
  return find_name(kRows, name);
}

std::optional<Aggregation> aggregation_from_name(std::string_view name) {
  static constexpr Named<Aggregation> kRows[] = {{"none", Aggregation::kNone},
                                                 {"simple", Aggregation::kSimple},
                                                 {"first", Aggregation::kFirst},
                                                 {"average", Aggregation::kAverage},
                                                 {"max", Aggregation::kMax}};
  return find_name(kRows, name);
}

TaskOptions default_options(TaskKind kind) {
  switch (kind) {
#define TAMIS_TASK(Kind, task, row_output) \
  case TaskKind::k##Kind:                  \
    return Kind##Options{};
#include "tasks/tasks.inc"
#undef TAMIS_TASK
  }
  TAMIS_CHECK(false);
}

int64_t Encoded::tokens() const {
  int64_t sum = 0;
  for (const Sequence& sequence : sequences) sum += sequence.size();
  return sum;
}

Encoded encode(TaskInput input, TaskOptions options, const TaskModel& model) {
  TAMIS_CHECK(model.tokenizer != nullptr);
  Encoded encoded;
  encoded.input = std::move(input);
  encoded.options = std::move(options);
  std::visit([&](const auto& own) { encode_task(own, model, encoded); }, encoded.options);
  TAMIS_CHECK(encoded.windows.size() == encoded.sequences.size());
  return encoded;
}

TaskResult decode(const Encoded& encoded, std::span<const OutputView> outputs,
                  const TaskModel& model) {
  const std::string_view name = task_output(kind_of(encoded.options));
  const auto output = std::find_if(outputs.begin(), outputs.end(),
                                   [name](const OutputView& view) { return view.name == name; });
  TAMIS_CHECK(output != outputs.end());
  return std::visit(
      [&](const auto& own) -> TaskResult {
        return decode_task(own, model, encoded, output->tensor);
      },
      encoded.options);
}

}  // namespace tamis::tasks
