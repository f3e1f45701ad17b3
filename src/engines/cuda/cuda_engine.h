// Graphs on an NVIDIA GPU.
//
// Is: the engine's row. Is not: seen by anyone but engines/rows.cc. May use: engine.
#pragma once

#include "engine/engine.h"

namespace tamis::engines::cuda {

/// make() throws, beside what EngineRow says, Error{kUnavailable}: no driver, one that is too old
/// for the kernels, no such device, a card below compute capability 7.5, a build without kernels;
/// and kOutOfMemory, saying how much the weights need.
[[nodiscard]] engine::EngineRow row();

}  // namespace tamis::engines::cuda
