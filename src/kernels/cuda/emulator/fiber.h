// Stacks that a scheduler switches between.
//
// Is: a hundred bytes of machine code on x86-64, ucontext elsewhere, with the notes that
// AddressSanitizer needs. Is not: a scheduler.
#pragma once

#include <cstddef>
#include <memory>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace tamis::cuda::emulator {

/// Memory for the stacks of a block's threads, touched only as far as they grow.
class StackMemory {
 public:
  static constexpr size_t kBytes = 128 * 1024;  // of each

  /// Throws std::bad_alloc.
  explicit StackMemory(size_t stacks);
  StackMemory(const StackMemory&) = delete;
  StackMemory& operator=(const StackMemory&) = delete;
  ~StackMemory();

  [[nodiscard]] unsigned char* stack(size_t i) const { return memory_ + i * kBytes; }

 private:
  unsigned char* memory_ = nullptr;
  size_t bytes_ = 0;
};

/// A point at which to go on. The scheduler's own is one without a stack of its own.
class Fiber {
 public:
  Fiber() = default;

  /// Makes the next switch to this fiber call entry(), which must never return.
  void start(unsigned char* stack, void (*entry)());
  /// Leaves this fiber, which runs, for `next`; comes back when something switches here.
  void switch_to(Fiber& next);
  /// The same, for the last time.
  void leave_for(Fiber& next);
  /// To be called first in entry(): tells AddressSanitizer where it is.
  static void entered();

 private:
  void jump(Fiber& next, bool last);

#if defined(__x86_64__)
  void* stack_pointer_ = nullptr;
#else
  ucontext_t context_ = {};
#endif
  const void* stack_ = nullptr;  // null: the thread's own
  size_t stack_bytes_ = 0;
};

}  // namespace tamis::cuda::emulator
