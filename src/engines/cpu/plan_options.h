// What decides how a graph becomes a plan.
#pragma once

#include "base/cpu.h"
#include "base/thread_pool.h"
#include "graph/attributes.h"

namespace tamis::engines::cpu {

struct PlanOptions {
  /// Kernel sets that may be chosen from.
  IsaSet isas = detected_isas();
  /// What the linear layers compute in where no marks are on; those with a row per sequence are
  /// fp32.
  graph::FloatArithmetic linear = graph::FloatArithmetic::kF32;
  /// Weights in fp32 are packed by each run, panel by panel, in place of once for all.
  bool once = false;
  /// Packs weights in parallel; null: on the calling thread. Not kept.
  ThreadPool* pool = nullptr;
};

}  // namespace tamis::engines::cpu
