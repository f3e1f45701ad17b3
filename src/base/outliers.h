// How many columns may stay in float beside an integer product.
//
// Is: the bound that graphs are checked by and kernels are written for. May use: nothing, so that
// per-ISA files can include it.
#pragma once

#include <cstdint>

namespace tamis {

/// Columns that may be taken out of the integer product; also the stride of their values.
inline constexpr int64_t kMaxOutliers = 8;

}  // namespace tamis
