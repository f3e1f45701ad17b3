// Tensors that a checkpoint holds and a graph does not read: said once, or refused.
//
// Is: which of them are usual, which show a head that is dropped. Is not: the reading. May use:
// formats.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "formats/checkpoint.h"
#include "models/models.h"

namespace tamis::models {

/// Throws Error{kUnsupported} naming the tensor if one that is not in `used` belongs to a head that
/// changes what `head` answers and is not built (ColBERT's projection, a CRF). Logs one warning
/// that counts and names the others, but for what any class of a family may leave behind: poolers,
/// heads for other tasks, position ids; `prefix` is what the
/// encoder's names begin with in classes that have a head.
void check_unused_weights(const Checkpoint& checkpoint, std::string_view prefix, HeadKind head,
                          const std::set<std::string>& used);

/// Whether every tensor is in `used` or is one that any class of a family may leave behind.
[[nodiscard]] bool reads_all(const Checkpoint& checkpoint, std::string_view prefix,
                             const std::set<std::string>& used);

}  // namespace tamis::models
