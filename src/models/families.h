// Which family a checkpoint is of.
//
// Is: the rows of families.inc, looked up by model_type and tensors. Is not: what a family appends.
// May use: graph, formats.
#pragma once

#include "formats/checkpoint.h"
#include "models/family.h"

namespace tamis::models {

/// The first row of the checkpoint's model_type whose prefix the tensors show, else the first of
/// that model_type. Throws Error{kUnsupported}: none; the message names the families that config
/// and tensors fit in every key and name, if there are any.
[[nodiscard]] const Family& find_family(const Checkpoint& checkpoint);

/// Tokens of the longest text that the family has positions for.
[[nodiscard]] int64_t max_positions(const Family& family, const ModelConfig& config);

}  // namespace tamis::models
