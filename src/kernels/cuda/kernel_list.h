// The kernels by name, and how each is launched.
//
// Is: rows of kernels.inc as the host sees them, and the code for the cards. Is not: a kernel. May
// use: the parameters of the families.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/cuda/attention/attention.h"
#include "kernels/cuda/elementwise/elementwise.h"
#include "kernels/cuda/gemm_b16/gemm_b16.h"
#include "kernels/cuda/gemm_f32/gemm_f32.h"
#include "kernels/cuda/gemm_s8/gemm_s8.h"
#include "kernels/cuda/gemm_s8/gemm_s8_hopper.h"
#include "kernels/cuda/pooling/pooling.h"
#include "kernels/cuda/rotary/rotary.h"
#include "kernels/cuda/rows/rows.h"
#include "kernels/cuda/select/select.h"

namespace tamis::cuda {

enum class KernelId : uint8_t {
#define X(name, Params, threads, shared, blocks, ...) k_##name,
#include "kernels/cuda/kernels.inc"
#undef X
};

/// One row of kernels.inc.
struct KernelRow {
  const char* name;
  int threads;
  int shared_bytes;
  /// Of cards that have it, 10 * major + minor; 0: all. The image's PTX has none of the others.
  int capability;
};

/// In the order of KernelId.
[[nodiscard]] std::span<const KernelRow> kernel_rows();
[[nodiscard]] inline const KernelRow& kernel_row(KernelId id) {
  return kernel_rows()[static_cast<size_t>(id)];
}

/// The fat binary that nvcc made, for cuModuleLoadData(); empty in a build without nvcc.
[[nodiscard]] std::span<const std::byte> kernel_image();
/// The version of the driver that the image needs, as cuDriverGetVersion() gives it.
inline constexpr int kLeastDriverVersion = 13000;
/// The least compute capability that it has code for, 10 * major + minor.
inline constexpr int kLeastCapability = 75;

}  // namespace tamis::cuda
