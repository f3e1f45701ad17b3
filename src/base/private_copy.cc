#include "base/private_copy.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "base/error.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

// A file that is written again during each of three copies is being written all the time.
constexpr int kTries = 3;
// Below it a file on disk costs more than the memory it would save.
constexpr size_t kLeastOnDisk = size_t{1} << 20;
constexpr size_t kChunk = size_t{1} << 20;

enum class Outcome { kDone, kChanged, kNoRoom };

void release(PrivateCopy& copy) {
  if (copy.data != nullptr) ::munmap(const_cast<std::byte*>(copy.data), copy.size);
  copy.data = nullptr;
}

bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool unchanged(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && same_time(a.st_mtim, b.st_mtim) &&
         same_time(a.st_ctim, b.st_ctim);
}

// Times of files may have the grain of the kernel's tick, 10 ms at most: a file written within it
// could be written again under the same time.
bool settled(int fd, struct stat& status) {
  constexpr auto kGrain = std::chrono::milliseconds(20);
  for (int i = 0; i < 2; ++i) {
    timespec now = {};
    if (::fstat(fd, &status) != 0 || ::clock_gettime(CLOCK_REALTIME, &now) != 0) return false;
    const auto age = std::chrono::seconds(now.tv_sec - status.st_ctim.tv_sec) +
                     std::chrono::nanoseconds(now.tv_nsec - status.st_ctim.tv_nsec);
    // A time to come is another machine's clock, and tells nothing.
    if (age < std::chrono::nanoseconds(0) || age >= kGrain) return true;
    std::this_thread::sleep_for(kGrain);
  }
  return false;
}

bool lies_in_memory(int fd) {
  struct statfs status = {};
  if (::fstatfs(fd, &status) != 0) return false;
  const auto type = static_cast<unsigned long>(status.f_type);
  return type == TMPFS_MAGIC || type == RAMFS_MAGIC;
}

Descriptor nameless_file(const fs::path& folder) {
  Descriptor file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600));
  if (file) return file;
  // Where the file system has no nameless files: one whose name is gone at once.
  std::string pattern = (folder / "tamis-XXXXXX").string();
  file = Descriptor(::mkostemp(pattern.data(), O_CLOEXEC));
  if (file) ::unlink(pattern.c_str());
  return file;
}

// write() with a cushion: for what copy_file_range() does not take.
Outcome copy_by_hand(int from, int to, size_t done, size_t size, const fs::path& path) {
  const auto buffer = std::make_unique<std::byte[]>(kChunk);
  while (done < size) {
    const ssize_t got =
        ::pread(from, buffer.get(), std::min(kChunk, size - done), static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(ErrorCode::kUnavailable, path.string(), ": cannot be read: ", errno_text());
    if (got == 0) return Outcome::kChanged;
    for (ssize_t put = 0; put < got;) {
      const ssize_t written = ::pwrite(to, buffer.get() + put, static_cast<size_t>(got - put),
                                       static_cast<off_t>(done) + put);
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return Outcome::kNoRoom;
      put += written;
    }
    done += static_cast<size_t>(got);
  }
  return Outcome::kDone;
}

Outcome copy_bytes(int from, int to, size_t size, const fs::path& path) {
  size_t done = 0;
  while (done < size) {
    off_t in = static_cast<off_t>(done);
    off_t out = in;
    const ssize_t copied = ::copy_file_range(from, &in, to, &out, size - done, 0);
    if (copied < 0 && errno == EINTR) continue;
    // Also nothing copied: some file systems answer so for files that they make up as they are
    // read. Reading tells the end from that.
    if (copied <= 0) return copy_by_hand(from, to, done, size, path);
    done += static_cast<size_t>(copied);
  }
  return Outcome::kDone;
}

Outcome clone(int from, int to) {
  return ::ioctl(to, FICLONE, from) == 0 ? Outcome::kDone : Outcome::kNoRoom;
}

// A file over the limit would end the process by a signal.
bool over_file_limit(size_t size) {
  rlimit limit = {};
  return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size;
}

// Into the first place on disk that takes all bytes.
Outcome copy_to_disk(int from, const fs::path& path, const CopyPlaces& places, PrivateCopy& copy) {
  if (copy.size < kLeastOnDisk || over_file_limit(copy.size)) return Outcome::kNoRoom;
  Outcome outcome = Outcome::kNoRoom;
  copy.file = Descriptor(
      ::open(places.clone_folder.c_str(), O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600));
  if (copy.file) outcome = clone(from, copy.file.get());
  for (const fs::path& folder : places.folders) {
    if (outcome != Outcome::kNoRoom) break;
    if (folder.empty()) continue;
    copy.file = nameless_file(folder);
    if (!copy.file || lies_in_memory(copy.file.get())) continue;
    outcome = copy_bytes(from, copy.file.get(), copy.size, path);
  }
  if (outcome == Outcome::kNoRoom) copy.file.close();
  return outcome;
}

void* map(size_t size, int protection, int flags, int file, const fs::path& path) {
  void* data = ::mmap(nullptr, size, protection, flags | MAP_PRIVATE, file, 0);
  if (data == MAP_FAILED) {
    fail(ErrorCode::kOutOfMemory, path.string(), ": its ", size,
         " bytes cannot be mapped: ", errno_text());
  }
  return data;
}

Outcome copy_to_memory(int from, const fs::path& path, PrivateCopy& copy) {
  void* data = map(copy.size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS, -1, path);
  copy.data = static_cast<const std::byte*>(data);
  for (size_t done = 0; done < copy.size;) {
    const ssize_t got = ::pread(from, static_cast<std::byte*>(data) + done, copy.size - done,
                                static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      const int why = errno;
      release(copy);
      errno = why;
      if (got == 0) return Outcome::kChanged;
      fail(ErrorCode::kUnavailable, path.string(), ": cannot be read: ", errno_text());
    }
    done += static_cast<size_t>(got);
  }
  ::mprotect(data, copy.size, PROT_READ);
  return Outcome::kDone;
}

Outcome copy_somewhere(int from, const fs::path& path, const CopyPlaces& places,
                       PrivateCopy& copy) {
  if (copy.size == 0) return Outcome::kDone;
  const Outcome outcome = copy_to_disk(from, path, places, copy);
  if (outcome == Outcome::kNoRoom) return copy_to_memory(from, path, copy);
  if (outcome == Outcome::kDone) {
    copy.data = static_cast<const std::byte*>(map(copy.size, PROT_READ, 0, copy.file.get(), path));
  }
  return outcome;
}

}  // namespace

std::span<const fs::path> temporary_folders() {
  static const std::array<fs::path, 3> folders = [] {
    const char* named = std::getenv("TMPDIR");
    return std::array<fs::path, 3>{named == nullptr ? "" : named, "/var/tmp", "/tmp"};
  }();
  return folders;
}

PrivateCopy copy_privately(int from, const fs::path& path, const CopyPlaces& places) {
  for (int i = 0; i < kTries; ++i) {
    struct stat before = {};
    struct stat after = {};
    PrivateCopy copy;
    if (!settled(from, before)) continue;
    copy.size = static_cast<size_t>(before.st_size);
    const Outcome outcome = copy_somewhere(from, path, places, copy);
    // What was copied is one state of the file only if nobody wrote meanwhile.
    if (outcome == Outcome::kDone && ::fstat(from, &after) == 0 && unchanged(before, after)) {
      return copy;
    }
    release(copy);
  }
  fail(ErrorCode::kUnavailable, path.string(),
       ": changes while it is read; try again when it is written");
}

}  // namespace tamis
