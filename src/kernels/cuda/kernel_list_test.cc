// What holds for every row of kernels.inc.
#include "kernels/cuda/kernel_list.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace tamis::cuda {
namespace {

// What a card of compute capability 7.5 gives a block, and one of 9.0.
constexpr int kMostSharedBytes = 64 * 1024;
constexpr int kMostHopperBytes = 227 * 1024;

TEST(KernelList, EachRowCanBeLaunchedOnEachCard) {
  std::set<std::string> names;
  for (const KernelRow& kernel : kernel_rows()) {
    EXPECT_TRUE(names.insert(kernel.name).second) << kernel.name;
    EXPECT_GT(kernel.threads, 0);
    EXPECT_LE(kernel.threads, 1024);
    EXPECT_EQ(kernel.threads % 32, 0);
    EXPECT_LE(kernel.shared_bytes, kernel.capability == 90 ? kMostHopperBytes : kMostSharedBytes)
        << kernel.name;
  }
  EXPECT_EQ(kernel_row(KernelId::k_gemm_s8_hopper).capability, 90);
  EXPECT_EQ(kernel_row(KernelId::k_gemm_s8_large).capability, 0);
  EXPECT_EQ(kernel_row(KernelId::k_rotary).name, std::string("tamis_rotary"));
}

}  // namespace
}  // namespace tamis::cuda
