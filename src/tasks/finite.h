// Answers are made of finite numbers alone.
//
// Is: the check of a model's outputs, and the way around it for whoever measures how bad they are.
// Is not: for weights (formats checks those). May use: task.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "tasks/task.h"

namespace tamis::tasks {

/// Throws kUnsupported if the output holds NaN or infinity: finite weights can give that for some
/// inputs, and no answer can be made of it. `rows` names what a row is, "text" or "token"; empty:
/// there is but one.
void require_finite(std::string_view output, std::span<const float> values, int64_t row_elements,
                    std::string_view rows = {});

/// The same for all rows of an output; the message begins with `where`.
void require_finite(const OutputView& output, std::string_view where);

/// decode() as if the outputs were finite.
[[nodiscard]] TaskResult decode_unchecked(const Encoded& encoded,
                                          std::span<const OutputView> outputs,
                                          const TaskModel& model);

}  // namespace tamis::tasks
