// The arithmetic peak of this machine, measured.
//
// Is: the denominator of every "share of the peak". Is not: a benchmark of kernels. May use: base.
#pragma once

#include <cstdint>

namespace tamis {
class IsaSet;
class ThreadPool;
}  // namespace tamis

namespace tamis::kernels {

/// 10^9 operations a second of all threads together; a multiply-add counts as two. 0 where the set
/// has no such instruction.
struct Peak {
  double fp32_gflops = 0;  // vfmadd231ps
  double bf16_gflops = 0;  // vdpbf16ps
  double int8_gops = 0;    // vpdpbusd, else vpmaddubsw + vpmaddwd + vpaddd
};

/// The best of five loops of 0.2 s each on registers only, all threads of the pool at once: takes
/// about three seconds. Threads that are busy elsewhere are not counted.
[[nodiscard]] Peak measure_peak(IsaSet isas, ThreadPool& pool);

}  // namespace tamis::kernels
