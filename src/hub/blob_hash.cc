#include "hub/blob_hash.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "base/descriptor.h"
#include "base/error.h"

namespace tamis::hub {

namespace {

// Stays in the second-level cache between the read and the hash.
constexpr int64_t kChunk = 256 * 1024;
// So much is waited for: a wake for each of libcurl's pieces of 16 KB took longer than the hash.
constexpr int64_t kBatch = 4 * kChunk;

}  // namespace

BlobHash::BlobHash(int fd, HashKind kind, int64_t size) : fd_(fd), kind_(kind), size_(size) {
  thread_ = std::thread([this] {
    try {
      run();
    } catch (...) {
      failure_ = std::current_exception();
    }
  });
}

BlobHash::~BlobHash() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    written_ = 0;
  }
  changed_.notify_all();
  thread_.join();
}

void BlobHash::written(int64_t size) {
  if (size - told_ < kBatch) return;
  tell(size);
}

void BlobHash::tell(int64_t size) {
  {
    const std::lock_guard lock(mutex_);
    written_ = size;
  }
  told_ = size;
  changed_.notify_all();
}

std::string BlobHash::finish(int64_t size) {
  {
    const std::lock_guard lock(mutex_);
    written_ = size;
    ended_ = true;
  }
  changed_.notify_all();
  thread_.join();
  if (failure_) std::rethrow_exception(failure_);
  return digest_;
}

// How far the file is written, once that is beyond `done` or the end.
int64_t BlobHash::wait_beyond(int64_t done) {
  std::unique_lock lock(mutex_);
  // wait() without a time is a symbol of libstdc++ 12, which manylinux_2_34 lacks.
  while (!ended_ && written_ <= done) changed_.wait_for(lock, std::chrono::hours(1));
  return written_;
}

void BlobHash::run() {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  const EVP_MD* const kind = kind_ == HashKind::kSha256 ? EVP_sha256() : EVP_sha1();
  TAMIS_CHECK(context != nullptr && EVP_DigestInit_ex(context.get(), kind, nullptr) == 1);
  if (kind_ == HashKind::kGitBlob) {
    const std::string head = cat("blob ", size_);
    TAMIS_CHECK(EVP_DigestUpdate(context.get(), head.c_str(), head.size() + 1) == 1);
  }
  std::vector<char> buffer(kChunk);
  int64_t done = 0;
  for (int64_t end = wait_beyond(done); end > done; end = wait_beyond(done)) {
    const auto want = static_cast<size_t>(std::min(end - done, kChunk));
    const ssize_t got = ::pread(fd_, buffer.data(), want, done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail(ErrorCode::kUnavailable, "a download cannot be read back: ", errno_text());
    TAMIS_CHECK(EVP_DigestUpdate(context.get(), buffer.data(), static_cast<size_t>(got)) == 1);
    done += got;
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  TAMIS_CHECK(EVP_DigestFinal_ex(context.get(), digest, &length) == 1);
  for (unsigned int i = 0; i < length; ++i) {
    constexpr char kHex[] = "0123456789abcdef";
    digest_ += kHex[digest[i] >> 4];
    digest_ += kHex[digest[i] & 15];
  }
}

}  // namespace tamis::hub
