#include "tasks/task.h"

#include <algorithm>
#include <utility>

#include "tasks/steps.h"

namespace tamis::tasks {

namespace {

#define TAMIS_TASK(Kind, task, row_output)                                                         \
  static_assert(std::is_same_v<std::variant_alternative_t<size_t(TaskKind::k##Kind), TaskOptions>, \
                               Kind##Options> &&                                                   \
                std::is_same_v<std::variant_alternative_t<size_t(TaskKind::k##Kind), TaskResult>,  \
                               Kind##Result>);
#include "tasks/tasks.inc"
#undef TAMIS_TASK

}  // namespace

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
