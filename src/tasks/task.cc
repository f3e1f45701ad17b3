#include "tasks/task.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "math/finite.h"
#include "tasks/finite.h"
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

const TensorView& TaskOutputs::get(std::string_view name) const {
  const auto output = std::find_if(views_.begin(), views_.end(),
                                   [name](const OutputView& view) { return view.name == name; });
  TAMIS_CHECK(output != views_.end());
  return output->tensor;
}

Encoded encode(TaskInput input, TaskOptions options, const TaskModel& model, int64_t most_tokens) {
  TAMIS_CHECK(model.tokenizer != nullptr);
  Encoded encoded;
  encoded.input = std::move(input);
  encoded.options = std::move(options);
  encoded.most_tokens = most_tokens;
  std::visit([&](const auto& own) { encode_task(own, model, encoded); }, encoded.options);
  TAMIS_CHECK(encoded.windows.size() == encoded.sequences.size());
  return encoded;
}

namespace {

// Where several rows of an output each stand for something that the caller knows.
std::string_view rows_name(const Encoded& encoded) {
  const bool texts =
      encoded.input.texts.size() > 1 && encoded.sequences.size() == encoded.input.texts.size();
  return texts ? "text" : "";
}

}  // namespace

void require_finite(std::string_view output, std::span<const float> values, int64_t row_elements,
                    std::string_view rows) {
  if (math::all_finite(values)) return;
  const auto bad =
      std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  const int64_t at = bad - values.begin();
  const std::string where = rows.empty() ? "" : cat(" of ", rows, " ", at / row_elements);
  fail(ErrorCode::kUnsupported, "the model's output ", output, where, " is not finite (",
       std::isnan(*bad) ? "NaN" : "infinity", " at ", at % row_elements,
       "): its arithmetic overflows for this input, so there is no answer");
}

void require_finite(const OutputView& output, std::string_view where) {
  if (output.tensor.elements() == 0) return;
  try {
    require_finite(output.name, output.tensor.as<float>(), output.tensor.shape()[1]);
  } catch (const Error& error) {
    fail(error.code(), where, ": ", error.what());
  }
}

TaskResult decode(const Encoded& encoded, std::span<const OutputView> outputs,
                  const TaskModel& model) {
  for (const OutputView& output : outputs) {
    if (output.tensor.elements() == 0) continue;
    require_finite(output.name, output.tensor.as<float>(), output.tensor.shape()[1],
                   rows_name(encoded));
  }
  return decode_unchecked(encoded, outputs, model);
}

TaskResult decode_unchecked(const Encoded& encoded, std::span<const OutputView> outputs,
                            const TaskModel& model) {
  const TaskOutputs views(outputs);
  return std::visit(
      [&](const auto& own) -> TaskResult { return decode_task(own, model, encoded, views); },
      encoded.options);
}

}  // namespace tamis::tasks
