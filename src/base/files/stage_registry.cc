#include "base/files/stage_registry.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <mutex>

#include "base/files/staged_folder.h"

namespace tamis {

namespace {

// A process makes one bundle at a time; a program around the library perhaps a few.
constexpr size_t kMostStages = 16;

struct Slot {
  std::array<char, PATH_MAX> path = {};
  std::atomic<bool> taken = false;
};

/// Removes what is left when the process ends by exit().
struct Registry {
  std::mutex mutex;  // of those who change it; a signal's handler only reads
  std::array<Slot, kMostStages> slots;
  Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;
  ~Registry() { remove_stages(); }
};

Registry& registry() {
  static Registry instance;
  return instance;
}

// Set once the registry exists: a handler must not construct it.
std::atomic<Registry*> the_registry = nullptr;

// Deeper than any stage is.
constexpr int kMostDepth = 8;

bool is_dots(const char* name) {
  return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

void remove_entries(int folder, int depth);

// A file, or a folder with what is in it.
void remove_entry(int folder, const char* name, int depth) {
  if (is_dots(name) || ::unlinkat(folder, name, 0) == 0 || depth == 0) return;
  const int inner = ::openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (inner < 0) return;
  remove_entries(inner, depth - 1);
  ::close(inner);
  (void)::unlinkat(folder, name, AT_REMOVEDIR);
}

// Entries of a folder as the kernel gives them; opendir() allocates.
void remove_entries(int folder, int depth) {
  alignas(dirent64) std::array<char, 4096> buffer;
  for (;;) {
    const long got = ::syscall(SYS_getdents64, folder, buffer.data(), buffer.size());
    if (got <= 0) return;
    for (long at = 0; at < got;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
      at += entry->d_reclen;
      remove_entry(folder, entry->d_name, depth);
    }
  }
}

void remove_folder(const char* path) {
  // What was removed shifts the entries behind it on some file systems: a second look finds those.
  for (int i = 0; i < 3; ++i) {
    const int folder = ::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) return;
    remove_entries(folder, kMostDepth);
    ::close(folder);
    if (::rmdir(path) == 0) return;
  }
}

}  // namespace

void register_stage(const std::filesystem::path& stage) {
  // From the root: the program may change its folder meanwhile.
  std::error_code error;
  const std::string path = std::filesystem::absolute(stage, error).string();
  if (error || path.size() >= PATH_MAX) return;
  Registry& table = registry();
  const std::lock_guard lock(table.mutex);
  for (Slot& slot : table.slots) {
    if (slot.taken) continue;
    std::memcpy(slot.path.data(), path.c_str(), path.size() + 1);
    slot.taken = true;
    break;
  }
  the_registry = &table;
}

void unregister_stage(const std::filesystem::path& stage) {
  std::error_code error;
  const std::string path = std::filesystem::absolute(stage, error).string();
  Registry& table = registry();
  const std::lock_guard lock(table.mutex);
  for (Slot& slot : table.slots) {
    if (slot.taken && path == slot.path.data()) slot.taken = false;
  }
}

void remove_stages() noexcept {
  const int before = errno;
  Registry* table = the_registry;
  if (table != nullptr) {
    for (const Slot& slot : table->slots) {
      if (slot.taken) remove_folder(slot.path.data());
    }
  }
  errno = before;
}

SignalPause::SignalPause() {
  sigset_t all;
  ::sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) {
    ::sigdelset(&all, fault);
  }
  ::pthread_sigmask(SIG_SETMASK, &all, &before_);
}

SignalPause::~SignalPause() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

}  // namespace tamis
