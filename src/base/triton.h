// What a repository's writer (api) and the backend (integrations/triton) have in common.
//
// Is: numbers of Triton's configurations. Is not: either. May use: nothing.
#pragma once

#include <cstdint>

namespace tamis {

/// max_batch_size where nobody names another.
inline constexpr int64_t kTritonBatch = 64;

}  // namespace tamis
