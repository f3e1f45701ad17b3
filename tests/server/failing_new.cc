#include "tests/server/failing_new.h"

#include <dlfcn.h>
#include <execinfo.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

namespace tamis::failing_new {

namespace {

std::atomic<int64_t> g_left{-1};  // allocations until one fails; below 0: none does
std::atomic<bool> g_all{false};
std::atomic<Of> g_of{Of::kAll};
std::atomic<int64_t> g_failed{0};
thread_local bool t_exempt = false;

enum class Whose : uint8_t { kOwn, kForeign, kStandard };

// By the namespace that a mangled name begins with: "_ZN4grpc...", "_ZZNK6google...".
Whose whose_symbol(std::string_view name) {
  if (!name.starts_with("_Z")) return Whose::kOwn;
  name.remove_prefix(2);
  while (!name.empty() && (name.front() == 'Z' || name.front() == 'N' || name.front() == 'K')) {
    name.remove_prefix(1);
  }
  for (const std::string_view standard : {"St", "Sa", "Ss", "9__gnu_cxx", "nw", "na"}) {
    if (name.starts_with(standard)) return Whose::kStandard;
  }
  for (const std::string_view theirs : {"4grpc", "6google", "9inference", "3tei", "4absl"}) {
    if (name.starts_with(theirs)) return Whose::kForeign;
  }
  return Whose::kOwn;
}

Whose whose_frame(void* frame, const void* program) {
  Dl_info info = {};
  if (dladdr(frame, &info) == 0) return Whose::kForeign;
  if (info.dli_fbase == program) {
    // A name that is not exported is of an unnamed namespace of ours.
    return info.dli_sname == nullptr ? Whose::kOwn : whose_symbol(info.dli_sname);
  }
  const bool standard = std::strstr(info.dli_fname, "libstdc++") != nullptr;
  return standard ? Whose::kStandard : Whose::kForeign;
}

bool is_operator_new(void* frame) {
  Dl_info info = {};
  if (dladdr(frame, &info) == 0 || info.dli_sname == nullptr) return false;
  const std::string_view name = info.dli_sname;
  return name.starts_with("_Znw") || name.starts_with("_Zna");
}

// Whoever stands nearest behind the standard library asked.
bool asked_by_own_code() {
  static const void* const program = [] {
    Dl_info info = {};
    dladdr(reinterpret_cast<void*>(&whose_symbol), &info);
    return info.dli_fbase;
  }();
  void* frames[32];
  const int count = backtrace(frames, 32);
  // What stands before operator new differs between builds: a sanitizer's backtrace() has a frame.
  int i = 0;
  while (i < count && !is_operator_new(frames[i])) ++i;
  for (++i; i < count; ++i) {
    const Whose whose = whose_frame(frames[i], program);
    if (whose != Whose::kStandard) return whose == Whose::kOwn;
  }
  return false;
}

bool counts() {
  if (t_exempt || g_left.load() < 0) return false;
  if (g_of.load() == Of::kAll) return true;
  // What the look itself allocates does not count.
  t_exempt = true;
  const bool own = asked_by_own_code();
  t_exempt = false;
  return own;
}

// Inline, so that operator new stands on the stack, whatever the compiler makes of a last call.
[[gnu::always_inline]] inline void* memory_or_null(size_t size) {
  if (counts() && g_left.fetch_sub(1) == 0) {
    g_failed.fetch_add(1);
    if (g_all.load()) g_left.store(0);
    return nullptr;
  }
  return std::malloc(size == 0 ? 1 : size);
}

[[gnu::always_inline]] inline void* memory(size_t size) {
  void* const found = memory_or_null(size);
  if (found == nullptr) throw std::bad_alloc();
  return found;
}

}  // namespace

void arm(int64_t n, Of of, bool and_all_behind) {
  g_of.store(of);
  g_all.store(and_all_behind);
  g_failed.store(0);
  g_left.store(n);
}

void disarm() {
  g_left.store(-1);
  g_all.store(false);
}

int64_t failed() { return g_failed.load(); }

void exempt_this_thread() { t_exempt = true; }

}  // namespace tamis::failing_new

void* operator new(size_t size) { return tamis::failing_new::memory(size); }
void* operator new[](size_t size) { return tamis::failing_new::memory(size); }
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return tamis::failing_new::memory_or_null(size);
}
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return tamis::failing_new::memory_or_null(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
