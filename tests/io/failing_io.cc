// Loaded before a program's libraries: one call on a file of a folder fails.
//
// Is: open, write, rename, fsync, mkdir and their kin, by the system's own calls, counted from 1;
// the one of the number wanted fails and leaves a note. Is not: for a program of a sanitizer, which
// has its own.
//
//   TAMIS_FAIL_UNDER  the folder; no other file's path may begin with it
//   TAMIS_FAIL_AT     which call
//   TAMIS_FAIL_ERRNO  what it says
//   TAMIS_FAIL_NOTE   the file that names it; not under the folder
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstdlib>
#include <string>

namespace {

std::atomic<long> calls{0};

const char* setting(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The link is absent for what is no file.
std::string path_of(int descriptor) {
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  char path[4096];
  const long length = syscall(SYS_readlinkat, AT_FDCWD, link.c_str(), path, sizeof(path));
  return length < 0 ? std::string() : std::string(path, static_cast<size_t>(length));
}

std::string absolute(int folder, const char* path) {
  if (path[0] == '/' || folder == AT_FDCWD) return path;
  return path_of(folder) + "/" + path;
}

void note(const char* call, const std::string& path) {
  const std::string text = std::string(call) + " " + path + "\n";
  const long file = syscall(SYS_openat, AT_FDCWD, setting("TAMIS_FAIL_NOTE"),
                            O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  syscall(SYS_write, file, text.data(), text.size());
  syscall(SYS_close, file);
}

// True with errno: this call is the one that fails.
bool fails(const char* call, const std::string& path) {
  static const std::string under = setting("TAMIS_FAIL_UNDER");
  static const long at = std::atol(setting("TAMIS_FAIL_AT"));
  static const int error = std::atoi(setting("TAMIS_FAIL_ERRNO"));
  if (under.empty() || path.compare(0, under.size(), under) != 0) return false;
  if (calls.fetch_add(1) + 1 != at) return false;
  note(call, path);
  errno = error;
  return true;
}

int open_at(int folder, const char* path, int flags, mode_t mode) {
  if (fails("open", absolute(folder, path))) return -1;
  return static_cast<int>(syscall(SYS_openat, folder, path, flags, mode));
}

}  // namespace

extern "C" {

// NOLINTBEGIN(cert-dcl50-cpp): the system's own signatures
int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_at(folder, path, flags, mode);
}
// NOLINTEND(cert-dcl50-cpp)

ssize_t write(int descriptor, const void* bytes, size_t count) {
  if (fails("write", path_of(descriptor))) return -1;
  return syscall(SYS_write, descriptor, bytes, count);
}

ssize_t pwrite(int descriptor, const void* bytes, size_t count, off_t offset) {
  if (fails("pwrite", path_of(descriptor))) return -1;
  return syscall(SYS_pwrite64, descriptor, bytes, count, offset);
}

int fsync(int descriptor) {
  if (fails("fsync", path_of(descriptor))) return -1;
  return static_cast<int>(syscall(SYS_fsync, descriptor));
}

int fdatasync(int descriptor) {
  if (fails("fdatasync", path_of(descriptor))) return -1;
  return static_cast<int>(syscall(SYS_fdatasync, descriptor));
}

int ftruncate(int descriptor, off_t length) noexcept {
  if (fails("ftruncate", path_of(descriptor))) return -1;
  return static_cast<int>(syscall(SYS_ftruncate, descriptor, length));
}

int rename(const char* from, const char* to) noexcept {
  if (fails("rename", to)) return -1;
  return static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) noexcept {
  if (fails("renameat2", absolute(to_folder, to))) return -1;
  return static_cast<int>(syscall(SYS_renameat2, from_folder, from, to_folder, to, flags));
}

int mkdir(const char* path, mode_t mode) noexcept {
  if (fails("mkdir", path)) return -1;
  return static_cast<int>(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

int symlink(const char* target, const char* path) noexcept {
  if (fails("symlink", path)) return -1;
  return static_cast<int>(syscall(SYS_symlinkat, target, AT_FDCWD, path));
}

int link(const char* from, const char* to) noexcept {
  if (fails("link", to)) return -1;
  return static_cast<int>(syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0));
}

}  // extern "C"
