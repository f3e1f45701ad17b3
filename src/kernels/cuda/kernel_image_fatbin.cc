// What nvcc made of kernels.cu, between two symbols of the assembler file that CMake writes.
#include "kernels/cuda/kernel_list.h"

extern "C" const std::byte tamis_cuda_image_begin[];
extern "C" const std::byte tamis_cuda_image_end[];

namespace tamis::cuda {

std::span<const std::byte> kernel_image() { return {tamis_cuda_image_begin, tamis_cuda_image_end}; }

}  // namespace tamis::cuda
