// Hashes a file behind the one who writes it, on a thread of its own.
//
// Is: SHA-256, or git's SHA-1 of a blob, of a file that grows; the network's thread only writes. Is
// not: for other files (base/sha256.h). May use: base.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <thread>

namespace tamis::hub {

enum class HashKind {
  kSha256,   ///< of the bytes: what Git LFS calls a file
  kGitBlob,  ///< SHA-1 of "blob SIZE\0" and the bytes: what git calls a file
};

class BlobHash {
 public:
  /// Reads from `fd`, which stays the caller's; `size` is that of the whole file.
  BlobHash(int fd, HashKind kind, int64_t size);
  ~BlobHash();
  BlobHash(const BlobHash&) = delete;
  BlobHash& operator=(const BlobHash&) = delete;

  /// The first `size` bytes of the file are as they will stay.
  void written(int64_t size);
  /// All of its `size` bytes are written: waits for the rest, then gives the hash in lower-case hex
  /// digits. Throws Error{kUnavailable} if the file could not be read.
  [[nodiscard]] std::string finish(int64_t size);

 private:
  void run();
  void tell(int64_t size);
  [[nodiscard]] int64_t wait_beyond(int64_t done);

  int fd_;
  HashKind kind_;
  int64_t size_;
  int64_t told_ = 0;  ///< of what is written, the thread knows so much
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t written_ = 0;
  bool ended_ = false;
  std::string digest_;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace tamis::hub
