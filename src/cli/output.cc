#include "cli/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "base/error.h"
#include "base/plain_text.h"

namespace tamis::cli {

namespace fs = std::filesystem;

namespace {

constexpr mode_t kMode = 0666;  // less the umask, as any new file
constexpr int kMostTries = 100;

}  // namespace

struct OutputSink::Impl {
  std::string path;  // as given, for errors
  fs::path target;   // what appears; empty: the stream is written in place
  fs::path staging;  // its name until then; empty: it has none yet
  std::FILE* file = nullptr;

  [[noreturn]] void refuse(int error) const {
    fail(ErrorCode::kUnavailable, path == "-" ? "standard output" : path,
         ": cannot be written: ", std::generic_category().message(error));
  }
  [[nodiscard]] fs::path staging_name(int i) const {
    return cat(target.string(), ".tmp-", static_cast<int64_t>(::getpid()), "-", i);
  }
  void open();
  [[nodiscard]] int open_staged();
  void name_file();
  void forget() noexcept;
};

// A file without a name, where the file system has that: the kernel removes it with the process,
// even if that is killed. Else one with a name of its own.
int OutputSink::Impl::open_staged() {
  fs::path folder = target.parent_path();
  if (folder.empty()) folder = ".";
  // It gets its name by way of /proc.
  if (::access("/proc/self/fd", X_OK) == 0) {
    const int nameless = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, kMode);
    if (nameless >= 0) return nameless;
  }
  for (int i = 0; i < kMostTries; ++i) {
    staging = staging_name(i);
    const int fd = ::open(staging.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMode);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

void OutputSink::Impl::open() {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  int fd = -1;
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    // A device or a pipe is written in place; a file appears whole.
    fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    // What a link names is replaced, not the link.
    target = fs::weakly_canonical(path, error);
    if (error || target.empty()) target = path;
    fd = open_staged();
  }
  file = fd < 0 ? nullptr : ::fdopen(fd, "wb");
  if (file != nullptr) return;
  const int why = errno;
  if (fd >= 0) ::close(fd);
  forget();
  refuse(why);
}

// Gives a file without a name one that rename() can move.
void OutputSink::Impl::name_file() {
  const std::string own = cat("/proc/self/fd/", ::fileno(file));
  for (int i = 0; i < kMostTries; ++i) {
    staging = staging_name(i);
    if (::linkat(AT_FDCWD, own.c_str(), AT_FDCWD, staging.c_str(), AT_SYMLINK_FOLLOW) == 0) return;
    if (errno != EEXIST) break;
  }
  const int why = errno;
  staging.clear();
  refuse(why);
}

void OutputSink::Impl::forget() noexcept {
  if (!staging.empty()) ::unlink(staging.c_str());
  staging.clear();
}

OutputSink::OutputSink(std::string path) : impl_(std::make_unique<Impl>()) {
  impl_->path = std::move(path);
  if (impl_->path == "-") {
    impl_->file = stdout;
  } else {
    impl_->open();
  }
}

OutputSink::~OutputSink() {
  if (impl_->file == nullptr || impl_->file == stdout) return;
  std::fclose(impl_->file);
  impl_->forget();
}

void OutputSink::write(std::string_view bytes) {
  if (bytes.empty()) return;
  if (std::fwrite(bytes.data(), 1, bytes.size(), impl_->file) != bytes.size()) {
    impl_->refuse(errno);
  }
}

void OutputSink::finish() {
  Impl& impl = *impl_;
  if (std::fflush(impl.file) != 0) impl.refuse(errno);
  if (impl.file == stdout) return;
  if (!impl.target.empty() && impl.staging.empty()) impl.name_file();
  std::error_code error;
  if (std::fclose(impl.file) != 0) error.assign(errno, std::generic_category());
  impl.file = nullptr;
  if (!error && !impl.target.empty()) fs::rename(impl.staging, impl.target, error);
  if (!error) return;
  impl.forget();
  impl.refuse(error.value());
}

void print_lines(std::string_view text) {
  const std::string plain = plain_lines(text);
  std::fwrite(plain.data(), 1, plain.size(), stdout);
}

}  // namespace tamis::cli
