// All engines of this build, behind engine_rows().
#include "engine/engine.h"
#include "engines/cpu/cpu_engine.h"
#include "engines/cuda/cuda_engine.h"
#include "engines/onnxruntime/onnxruntime_engine.h"
#include "engines/simulate/simulate_engine.h"

namespace tamis::engine {

std::span<const EngineRow> engine_rows() {
  static const EngineRow kRows[] = {
#define X(folder) engines::folder::row(),
#include "engines/engines.inc"
#undef X
  };
  return kRows;
}

}  // namespace tamis::engine
