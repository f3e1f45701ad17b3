#include "kernels/cuda/emulator/fiber.h"

#include <sys/mman.h>

#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define TAMIS_ASAN_FIBERS 1
#endif

#if defined(__x86_64__)
// Saves what a call must keep on the running stack, and goes on where another stopped.
extern "C" void tamis_cuda_switch(void** save, void* load);
asm(R"(
.text
.globl tamis_cuda_switch
.hidden tamis_cuda_switch
.type tamis_cuda_switch,@function
tamis_cuda_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size tamis_cuda_switch,.-tamis_cuda_switch
)");
#endif

namespace tamis::cuda::emulator {

StackMemory::StackMemory(size_t stacks) : bytes_(stacks * kBytes) {
  if (bytes_ == 0) return;
  void* memory = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<unsigned char*>(memory);
}

StackMemory::~StackMemory() {
  if (bytes_ == 0) return;
#ifdef TAMIS_ASAN_FIBERS
  // Or what is mapped here next is taken for the ends of frames that are gone.
  ASAN_UNPOISON_MEMORY_REGION(memory_, bytes_);
#endif
  ::munmap(memory_, bytes_);
}

void Fiber::start(unsigned char* stack, void (*entry)()) {
  stack_ = stack;
  stack_bytes_ = StackMemory::kBytes;
#ifdef TAMIS_ASAN_FIBERS
  // The frames of the one that had it before were left, not returned from.
  ASAN_UNPOISON_MEMORY_REGION(stack, StackMemory::kBytes);
#endif
#if defined(__x86_64__)
  auto** top = reinterpret_cast<void**>(stack + StackMemory::kBytes) - 1;
  *top = nullptr;  // where a return address would lie: the entry sees the alignment of a call
  *--top = reinterpret_cast<void*>(entry);
  for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
  stack_pointer_ = top;
#else
  ::getcontext(&context_);
  context_.uc_stack.ss_sp = stack;
  context_.uc_stack.ss_size = StackMemory::kBytes;
  context_.uc_link = nullptr;
  ::makecontext(&context_, entry, 0);
#endif
}

void Fiber::jump(Fiber& next, [[maybe_unused]] bool last) {
#ifdef TAMIS_ASAN_FIBERS
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(last ? nullptr : &fake_stack, next.stack_, next.stack_bytes_);
#endif
#if defined(__x86_64__)
  tamis_cuda_switch(&stack_pointer_, next.stack_pointer_);
#else
  ::swapcontext(&context_, &next.context_);
#endif
#ifdef TAMIS_ASAN_FIBERS
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
}

void Fiber::switch_to(Fiber& next) {
#ifdef TAMIS_ASAN_FIBERS
  if (stack_ == nullptr) {  // the thread's own stack, which others come back to
    pthread_attr_t attributes;
    void* base = nullptr;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &base, &stack_bytes_);
    pthread_attr_destroy(&attributes);
    stack_ = base;
  }
#endif
  jump(next, false);
}

void Fiber::leave_for(Fiber& next) { jump(next, true); }

void Fiber::entered() {
#ifdef TAMIS_ASAN_FIBERS
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

}  // namespace tamis::cuda::emulator
