// A warm session allocates nothing: counted at malloc, which operator new calls, and at
// posix_memalign, where AlignedBuffer gets its memory. A binary of its own, as it replaces both.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>

#include "engines/cpu/session.h"
#include "engines/cpu/test_encoder.h"

namespace {

std::atomic<int64_t> allocations{0};

}  // namespace

extern "C" void* malloc(size_t bytes) {
  using Function = void* (*)(size_t);
  static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "malloc"));
  allocations.fetch_add(1, std::memory_order_relaxed);
  return real(bytes);
}

extern "C" int posix_memalign(void** memory, size_t alignment, size_t bytes) {
  using Function = int (*)(void**, size_t, size_t);
  static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "posix_memalign"));
  allocations.fetch_add(1, std::memory_order_relaxed);
  return real(memory, alignment, bytes);
}

namespace tamis::engines::cpu {
namespace {

TEST(Allocation, AWarmSessionAllocatesNothing) {
  for (const int threads : {1, 2}) {
    ThreadPool pool(threads);
    Session session(Plan::make(test_encoder()), pool);
    Outputs outputs;
    // Block by block, as a team, and smaller than what was seen.
    const TestBatch batches[] = {TestBatch(std::vector<int32_t>(20, 100)), TestBatch({600}),
                                 TestBatch({7, 30})};
    for (const TestBatch& batch : batches) session.run(batch.packed(), outputs);
    const int64_t before = allocations.load();
    for (const TestBatch& batch : batches) session.run(batch.packed(), outputs);
    EXPECT_EQ(allocations.load(), before) << threads << " threads";
  }
}

TEST(Allocation, TheCounterCounts) {
  const int64_t before = allocations.load();
  const AlignedBuffer buffer(100);
  // Through a pointer that the compiler cannot know, which would leave both out.
  void* (*volatile take)(size_t) = [](size_t bytes) { return operator new(bytes); };
  const std::unique_ptr<void, void (*)(void*)> number(
      take(sizeof(int)), [](void* memory) { operator delete(memory); });
  EXPECT_EQ(allocations.load(), before + 2);
}

}  // namespace
}  // namespace tamis::engines::cpu
