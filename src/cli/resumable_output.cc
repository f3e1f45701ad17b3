#include "cli/resumable_output.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace tamis::cli {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kNsBetweenJournals = 1'000'000'000;
constexpr size_t kBuffer = size_t{1} << 20;

void write_fully(int fd, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      fail(ErrorCode::kUnavailable, path.string(), ": cannot be written: ", errno_text());
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

// Whether the name still stands for the open file: another process may have finished it meanwhile.
bool is_still(const fs::path& path, int fd) {
  struct stat named = {};
  struct stat opened = {};
  return ::stat(path.c_str(), &named) == 0 && ::fstat(fd, &opened) == 0 &&
         named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
}

}  // namespace

struct ResumableOutput::Impl {
  fs::path target;
  fs::path partial;
  fs::path journal;
  MadeFrom made_from;
  Make make;
  Descriptor file;
  std::string waiting;
  int64_t bytes = 0;     // in the file
  int64_t rows = 0;      // that the journal counts
  int64_t answered = 0;  // that were handed over
  int64_t last_ns = 0;

  void open();
  void read_journal();
  void flush() {
    write_fully(file.get(), waiting, partial);
    bytes += static_cast<int64_t>(waiting.size());
    waiting.clear();
  }
  void sync() {
    flush();
    if (::fdatasync(file.get()) != 0 && errno != EINVAL) {
      fail(ErrorCode::kUnavailable, partial.string(), ": cannot be written: ", errno_text());
    }
  }
  void write_journal() const;
};

void ResumableOutput::Impl::open() {
  do {
    file = Descriptor(::open(partial.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!file) {
      fail(ErrorCode::kUnavailable, partial.string(), ": cannot be written: ", errno_text());
    }
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      fail(ErrorCode::kUnavailable, partial.string(), ": another process is writing it");
    }
  } while (!is_still(partial, file.get()));
  std::error_code error;
  // A run that was killed right when it had finished leaves the journal alone.
  if (fs::file_size(partial, error) == 0) fs::remove(journal, error);
}

void ResumableOutput::Impl::read_journal() {
  const std::string text = read_file(journal);
  const JsonDocument document = JsonDocument::parse(text, journal.string());
  const JsonView root = document.root();
  const auto number = [&](std::string_view key) {
    const int64_t value = root.get(key).as_int(cat(journal.string(), ": \"", key, "\""));
    if (value < 0) fail(ErrorCode::kCorruptData, journal.string(), ": \"", key, "\" is below 0");
    return value;
  };
  rows = number("rows");
  bytes = number("bytes");
  const auto expect = [&](std::string_view key, const std::string& hash, std::string_view what) {
    if (root.get(key).as_string(cat(journal.string(), ": \"", key, "\"")) == hash) return;
    fail(ErrorCode::kInvalidArgument, partial.string(), ": was begun with other ", what,
         "; remove it to begin anew");
  };
  expect("inputs_sha256", made_from.inputs, "inputs");
  expect("options_sha256", made_from.options, "options");
  std::error_code error;
  const auto size = static_cast<int64_t>(fs::file_size(partial, error));
  if (error || size < bytes) {
    fail(ErrorCode::kCorruptData, partial.string(), ": is shorter than ", journal.string(),
         " says; remove both to begin anew");
  }
}

void ResumableOutput::Impl::write_journal() const {
  JsonWriter json;
  json.begin_object().member("rows", rows).member("bytes", bytes);
  json.member("inputs_sha256", made_from.inputs);
  json.member("options_sha256", made_from.options).end_object();
  const fs::path fresh = journal.string() + ".new";
  write_file(fresh, json.str() + "\n");
  std::error_code error;
  fs::rename(fresh, journal, error);
  if (error) fail(ErrorCode::kUnavailable, journal.string(), ": ", error.message());
}

ResumableOutput::ResumableOutput(const std::string& path, MadeFrom made_from, Make make)
    : impl_(std::make_unique<Impl>()) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (path.empty() || path == "-" || (fs::exists(status) && !fs::is_regular_file(status))) {
    fail(ErrorCode::kInvalidArgument,
         "--resume needs --output FILE: ", path.empty() ? "\"\"" : path, " is none");
  }
  Impl& impl = *impl_;
  impl.target = fs::weakly_canonical(path, error);
  if (error || impl.target.empty()) impl.target = path;
  impl.partial = impl.target.string() + ".partial";
  impl.journal = impl.partial.string() + ".json";
  impl.made_from = std::move(made_from);
  impl.make = std::move(make);
  impl.open();
  if (fs::exists(impl.journal)) {
    impl.read_journal();
  } else if (fs::file_size(impl.partial, error) > 0 && !error) {
    fail(ErrorCode::kInvalidArgument, impl.partial.string(), " is there without ",
         impl.journal.string(), "; remove it to begin anew");
  }
  if (::ftruncate(impl.file.get(), impl.bytes) != 0 ||
      ::lseek(impl.file.get(), impl.bytes, SEEK_SET) < 0) {
    fail(ErrorCode::kUnavailable, impl.partial.string(), ": cannot be written: ", errno_text());
  }
  impl.answered = impl.rows;
  // Before the first byte, so that no part is ever without one.
  impl.write_journal();
  impl.last_ns = Clock::steady().now_ns();
}

ResumableOutput::~ResumableOutput() = default;

int64_t ResumableOutput::rows() const { return impl_->rows; }

void ResumableOutput::check_beginning(std::string_view bytes) const {
  std::string there(bytes.size(), '\0');
  size_t got = 0;
  while (got < there.size()) {
    const ssize_t part =
        ::pread(impl_->file.get(), there.data() + got, there.size() - got, static_cast<off_t>(got));
    if (part < 0 && errno == EINTR) continue;
    if (part <= 0) break;
    got += static_cast<size_t>(part);
  }
  if (got != there.size() || there != bytes) {
    fail(ErrorCode::kInvalidArgument, impl_->partial.string(),
         ": was begun with another model, which gives other results; remove it to begin anew");
  }
}

void ResumableOutput::write(std::string_view bytes) {
  impl_->waiting += bytes;
  if (impl_->waiting.size() >= kBuffer) impl_->flush();
}

void ResumableOutput::rows_done(int64_t rows) {
  Impl& impl = *impl_;
  impl.answered = rows;
  const int64_t now = Clock::steady().now_ns();
  if (now - impl.last_ns < kNsBetweenJournals) return;
  impl.sync();
  impl.rows = rows;
  impl.write_journal();
  impl.last_ns = now;
}

void ResumableOutput::finish() {
  Impl& impl = *impl_;
  impl.sync();
  std::error_code error;
  if (impl.make) {
    // All rows are answered: a run that is killed from here on leaves that only FILE is to be made.
    impl.rows = impl.answered;
    impl.write_journal();
    impl.make(impl.partial, impl.target.string());
    fs::remove(impl.partial, error);
    fs::remove(impl.journal, error);
    return;
  }
  fs::rename(impl.partial, impl.target, error);
  if (error) {
    fail(ErrorCode::kUnavailable, impl.target.string(), ": cannot be written: ", error.message());
  }
  fs::remove(impl.journal, error);
}

}  // namespace tamis::cli
