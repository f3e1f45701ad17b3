// Loops of one instruction on registers only, one a per-ISA file.
//
// Is: what peak.cc times. Is not: useful work. May use: nothing, so that per-ISA files can include
// it.
#pragma once

#include <cstdint>

namespace tamis::kernels {

/// Runs the loop `iterations` times. `sink` receives a value that depends on all of it. Returns the
/// operations executed, a multiply-add counted as two.
using PeakLoop = double (*)(int64_t iterations, float* sink);

#define X(type, row, level, operations) double peak_##type##_##row(int64_t iterations, float* sink);
#include "kernels/cpu/peak/loops.inc"
#undef X

}  // namespace tamis::kernels
