#include "hub/blob.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "hub/blob_hash.h"
#include "hub/model_id.h"

namespace tamis::hub {

namespace fs = std::filesystem;

namespace {

std::optional<HashKind> kind_of(const std::string& etag) {
  if (is_sha256(etag)) return HashKind::kSha256;
  if (is_commit(etag)) return HashKind::kGitBlob;
  return std::nullopt;
}

// A file system without locks: two processes may then write one file, whose hash tells.
bool has_no_locks(int error) { return error == ENOSYS || error == ENOLCK || error == EOPNOTSUPP; }

// Held until it goes. The file stays, as that of huggingface_hub's lock does.
Descriptor take_lock(const fs::path& path, const std::function<void()>& waiting) {
  for (;;) {
    Descriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0664));
    if (!lock) fail(ErrorCode::kUnavailable, path.string(), ": cannot be created: ", errno_text());
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) waiting();
      while (::flock(lock.get(), LOCK_EX) != 0) {
        if (errno == EINTR) continue;
        if (has_no_locks(errno)) return lock;
        fail(ErrorCode::kUnavailable, path.string(), ": cannot be locked: ", errno_text());
      }
    }
    // One that was removed meanwhile locks nobody out.
    struct stat held = {};
    if (::fstat(lock.get(), &held) == 0 && held.st_nlink > 0) return lock;
  }
}

// Where a 206 begins: "bytes 100-199/200"; -1 if it does not say.
int64_t range_begin(const HttpAnswer& answer) {
  const std::string text = answer.header("content-range");
  int64_t begin = -1;
  if (!text.starts_with("bytes ")) return -1;
  std::from_chars(text.data() + 6, text.data() + text.size(), begin);
  return begin;
}

class Download {
 public:
  Download(Client& client, const RemoteFile& file, const Subject& subject, fs::path path,
           const BlobProgress& progress)
      : client_(client),
        file_(file),
        subject_(subject),
        path_(std::move(path)),
        progress_(progress),
        kind_(kind_of(file.etag)) {
    fd_ = Descriptor(
        ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666));
    struct stat status = {};
    if (!fd_ || ::fstat(fd_.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
      fail(ErrorCode::kUnavailable, path_.string(), ": cannot be written: ", errno_text());
    }
    at_ = status.st_size;
    // Of another file, or of an answer without a size.
    if (file_.size < 0 || at_ > file_.size) restart();
    resumed_ = at_ > 0;
    begin_hash();
  }

  // The file is whole, what its name says, and on the disk.
  void run() {
    receive_right();
    write_through(fd_.get(), path_);
  }

 private:
  void receive_right() {
    receive();
    if (hash_is_right()) return;
    if (resumed_) {
      // What lay here may have been wrong, what came is not yet known to be.
      resumed_ = false;
      restart();
      begin_hash();
      receive();
      if (hash_is_right()) return;
    }
    std::error_code ignored;
    fs::remove(path_, ignored);
    fail(ErrorCode::kCorruptData, name(), ": what ", client_.endpoint(), " sent has the hash ",
         found_, ", but ", file_.etag, " was announced; nothing of it is kept");
  }

  std::string name() const {
    return cat(subject_.model, "@", subject_.revision, ": ", subject_.file);
  }

  void restart() {
    hash_.reset();
    if (::ftruncate(fd_.get(), 0) != 0) cannot_write();
    at_ = 0;
  }

  void begin_hash() {
    // Git's hash begins with the size: where that is not announced, the end is waited for.
    hash_.reset();
    if (!kind_ || file_.size < 0) return;
    hash_.emplace(fd_.get(), *kind_, file_.size);
    hash_->written(at_);
  }

  bool hash_is_right() {
    if (!kind_) return true;
    if (!hash_) hash_.emplace(fd_.get(), *kind_, at_);
    found_ = hash_->finish(at_);
    hash_.reset();
    return found_ == file_.etag;
  }

  [[noreturn]] void cannot_write() {
    const int error = errno;
    fail(ErrorCode::kUnavailable, path_.string(),
         ": cannot be written: ", std::generic_category().message(error),
         error == ENOSPC || error == EDQUOT
             ? "; what came so far stays, and the next try goes on from there"
             : "");
  }

  void write(std::string_view piece) {
    while (!piece.empty()) {
      const ssize_t written = ::pwrite(fd_.get(), piece.data(), piece.size(), at_);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) cannot_write();
      at_ += written;
      piece.remove_prefix(static_cast<size_t>(written));
    }
    if (hash_) hash_->written(at_);
    progress_(at_, false);
  }

  // A piece of an answer that should begin at asked_. False: it is not what was asked for.
  bool take(const HttpAnswer& answer, std::string_view piece) {
    if (fresh_) {
      fresh_ = false;
      const bool partial = answer.status == 206;
      if (partial && range_begin(answer) != at_) return false;
      if (!partial && at_ > 0) {
        // The server does not resume.
        restart();
        begin_hash();
      }
    }
    over_ = file_.size >= 0 && at_ + static_cast<int64_t>(piece.size()) > file_.size;
    if (over_) return false;
    write(piece);
    return true;
  }

  // Once: what lies here may be of another file. From the beginning on, its end is the file's.
  void start_over_without_range() {
    if (started_over_) {
      std::error_code ignored;
      fs::remove(path_, ignored);
      fail(ErrorCode::kCorruptData, name(), ": ", client_.endpoint(), " has ", at_, " of the ",
           file_.size, " bytes that it announced");
    }
    started_over_ = true;
    restart();
    begin_hash();
  }

  void receive() {
    farthest_ = at_;
    started_over_ = false;
    for (Retry retry(client_.waiter()); file_.size < 0 || at_ < file_.size;) {
      fresh_ = true;
      HttpAnswer answer = client_.get(
          file_.url, at_,
          [this](const HttpAnswer& head, std::string_view piece) { return take(head, piece); });
      if (over_) {
        std::error_code ignored;
        fs::remove(path_, ignored);
        fail(ErrorCode::kCorruptData, name(), ": ", client_.endpoint(), " sends more than the ",
             file_.size, " bytes that it announced");
      }
      const bool good = answer.failure.empty() && (answer.status == 200 || answer.status == 206);
      if (good && (file_.size < 0 || at_ == file_.size)) return;
      if (good) answer.failure = cat("the answer ended after ", at_, " of ", file_.size, " bytes");
      // What is brought again after a restart is no progress.
      const bool progressed = at_ > farthest_;
      farthest_ = std::max(farthest_, at_);
      if (answer.failure.empty() && answer.status == 416) {
        start_over_without_range();
        answer.failure = "the server has no such range";
      }
      if (!retry.again(answer, progressed)) client_.refuse(answer, file_.url, subject_);
    }
    if (at_ == 0 && file_.size == 0) progress_(0, false);
  }

  Client& client_;
  const RemoteFile& file_;
  const Subject& subject_;
  fs::path path_;
  const BlobProgress& progress_;
  std::optional<HashKind> kind_;
  Descriptor fd_;
  int64_t at_ = 0;
  int64_t farthest_ = 0;
  bool started_over_ = false;
  bool resumed_ = false;
  bool fresh_ = true;
  bool over_ = false;
  std::optional<BlobHash> hash_;
  std::string found_;
};

}  // namespace

bool has_blob(const fs::path& blob, const RemoteFile& file) {
  std::error_code error;
  const uintmax_t size = fs::file_size(blob, error);
  return !error && (file.size < 0 || size == static_cast<uintmax_t>(file.size));
}

void fetch_blob(Client& client, const RemoteFile& file, const BlobPlace& place,
                const Subject& subject, const BlobProgress& progress) {
  const Descriptor lock = take_lock(place.lock, [&] { progress(0, true); });
  std::error_code error;
  if (!has_blob(place.blob, file)) {
    const fs::path incomplete = place.blob.string() + ".incomplete";
    Download(client, file, subject, incomplete, progress).run();
    fs::rename(incomplete, place.blob, error);
    if (error) {
      fail(ErrorCode::kUnavailable, place.blob.string(), ": cannot be created: ", error.message());
    }
  }
  progress(file.size < 0 ? 0 : file.size, false);
}

}  // namespace tamis::hub
