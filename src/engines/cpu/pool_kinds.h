// The kernel's names of a pooling node's modes.
#pragma once

#include <vector>

#include "graph/graph.h"
#include "kernels/reference/pooling_args.h"

namespace tamis::engines::cpu {

/// Of SequencePool, in their order, or VocabularyPool.
[[nodiscard]] std::vector<kernels::Pooling> pool_kinds(const graph::Node& node);

}  // namespace tamis::engines::cpu
