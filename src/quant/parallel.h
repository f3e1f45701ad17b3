// Loops that use the pool where that pays.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"

namespace tamis::quant {

/// Calls body(i) for i in [0, n), on the pool if there is about 0.1 ms of work: waking a worker
/// costs tens of microseconds. `item_cost` counts multiply-adds.
inline void parallel_for(ThreadPool& pool, int64_t n, int64_t item_cost,
                         FunctionRef<void(int64_t i)> body) {
  constexpr int64_t kWorthIt = int64_t{1} << 18;
  if (n * item_cost >= kWorthIt) return pool.parallel_for(n, body);
  for (int64_t i = 0; i < n; ++i) body(i);
}

}  // namespace tamis::quant
