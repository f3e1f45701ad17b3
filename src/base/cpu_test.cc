#include "base/cpu.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace tamis {
namespace {

TEST(Cpu, ReferenceIsAlwaysThere) {
  EXPECT_TRUE(detected_isas().has(Isa::kReference));
  const IsaSet reference = isas_up_to("reference");
  EXPECT_TRUE(reference.has(Isa::kReference));
  EXPECT_FALSE(reference.has(Isa::kAvx2));
}

TEST(Cpu, ALevelContainsWhatItBuildsOn) {
  if (!detected_isas().has(Isa::kAvx512)) GTEST_SKIP() << "this CPU has no AVX-512";
  const IsaSet set = isas_up_to("avx512");
  EXPECT_TRUE(set.has(Isa::kAvx512));
  EXPECT_TRUE(set.has(Isa::kAvx2));
  EXPECT_FALSE(set.has(Isa::kAvx512Vnni));
  EXPECT_FALSE(set.has(Isa::kAvxVnni));
}

#if defined(__x86_64__)
TEST(Cpu, AgreesWithTheCompilersDetection) {
  EXPECT_EQ(detected_isas().has(Isa::kAvx512), __builtin_cpu_supports("avx512f") &&
                                                   __builtin_cpu_supports("avx512bw") &&
                                                   __builtin_cpu_supports("avx512vl"));
  EXPECT_EQ(detected_isas().has(Isa::kAvx2),
            __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
}
#endif

TEST(Cpu, UnknownNameListsTheKnown) {
  try {
    (void)isas_up_to("sse9");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("avx512_vnni"), std::string::npos);
  }
}

TEST(Cpu, WhatTheCpuLacksIsRefusedByName) {
  int lacking = 0;
  for (const Isa isa : all_isas()) {
    if (detected_isas().has(isa)) continue;
    ++lacking;
    try {
      (void)isas_up_to(isa_name(isa));
      FAIL() << isa_name(isa);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
      EXPECT_EQ(std::string(error.what()),
                cat("--isa ", isa_name(isa), ": this CPU (", cpu_model(), ") lacks it"));
    }
  }
  if (lacking == 0) GTEST_SKIP() << "this CPU lacks none of the kernel sets";
}

TEST(Cpu, TellsThreadsAndCache) {
  EXPECT_GE(default_thread_count(), 1);
  EXPECT_GE(l2_cache_bytes(), 1 << 16);
  EXPECT_FALSE(cpu_model().empty());
#if defined(__x86_64__)
  const CpuId id = cpu_id();
  EXPECT_EQ(id.vendor.size(), 12u);
  EXPECT_GT(id.family, 0);
#endif
}

}  // namespace
}  // namespace tamis
