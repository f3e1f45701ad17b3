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

double peak_fp32_avx2(int64_t iterations, float* sink);
double peak_fp32_avx512(int64_t iterations, float* sink);
double peak_int8_avx2(int64_t iterations, float* sink);
double peak_int8_avx_vnni(int64_t iterations, float* sink);
double peak_int8_avx512(int64_t iterations, float* sink);
double peak_int8_avx512_vnni(int64_t iterations, float* sink);
double peak_bf16_avx512_bf16(int64_t iterations, float* sink);

}  // namespace tamis::kernels
