// The poolings that a node asks of the kernel.
#pragma once

#include <vector>

#include "base/pooling.h"
#include "graph/graph.h"

namespace tamis::engines::cpu {

/// Of SequencePool, in their order, or VocabularyPool.
[[nodiscard]] std::vector<Pooling> pool_kinds(const graph::Node& node);

}  // namespace tamis::engines::cpu
