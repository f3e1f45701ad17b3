#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

#include "base/descriptor.h"
#include "base/error.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

void write_all(int fd, std::string_view contents, const fs::path& path) {
  while (!contents.empty()) {
    const ssize_t written = ::write(fd, contents.data(), contents.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      fail(ErrorCode::kUnavailable, path.string(), ": cannot be written: ", errno_text());
    }
    contents.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

Descriptor open_regular(const fs::path& path, size_t& size) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) {
    if (errno == ENOENT || errno == ENOTDIR) {
      fail(ErrorCode::kNotFound, path.string(), ": no such file");
    }
    fail(ErrorCode::kUnavailable, path.string(), ": cannot be opened: ", errno_text());
  }
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    fail(ErrorCode::kInvalidArgument, path.string(), ": not a regular file");
  }
  size = static_cast<size_t>(status.st_size);
  return file;
}

std::string read_file(const fs::path& path, size_t max_bytes) {
  size_t size = 0;
  const Descriptor fd = open_regular(path, size);
  if (size > max_bytes) {
    fail(ErrorCode::kCorruptData, path.string(), ": ", size, " bytes is over the limit of ",
         max_bytes, " bytes");
  }
  std::string contents(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(fd.get(), contents.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(ErrorCode::kUnavailable, path.string(), ": cannot be read: ", errno_text());
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  contents.resize(done);
  return contents;
}

bool file_exists(const fs::path& path) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  if (fs::is_regular_file(status)) return true;
  // A pipe, socket or device would be passed over, and the model be another one without it.
  if (fs::is_other(status))
    fail(ErrorCode::kInvalidArgument, path.string(), ": not a regular file");
  return false;
}

void write_file(const fs::path& path, std::string_view contents) {
  write_file(path, std::span<const std::string_view>(&contents, 1));
}

void write_file(const fs::path& path, std::span<const std::string_view> pieces) {
  Descriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (fd.get() < 0) {
    fail(ErrorCode::kUnavailable, path.string(), ": cannot be created: ", errno_text());
  }
  try {
    for (const std::string_view piece : pieces) write_all(fd.get(), piece, path);
    if (fd.close() != 0) {
      fail(ErrorCode::kUnavailable, path.string(), ": cannot be written: ", errno_text());
    }
  } catch (const Error&) {
    std::error_code ignored;
    // Only what this call made goes away: /dev/full and pipes stay.
    if (fs::is_regular_file(path, ignored)) fs::remove(path, ignored);
    throw;
  }
}

void write_through(int descriptor, const fs::path& path) {
  // Some file systems have nothing to write through, for folders above all, and say so.
  if (::fsync(descriptor) == 0 || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) return;
  fail(ErrorCode::kUnavailable, path.string(),
       ": cannot be written through to the disk: ", errno_text());
}

fs::path path_inside(const fs::path& folder, std::string_view name, std::string_view source) {
  const fs::path relative(name);
  bool inside = !name.empty() && relative.is_relative() && name.find('\0') == name.npos;
  for (const fs::path& part : relative) inside = inside && part != "..";
  if (!inside) {
    fail(ErrorCode::kCorruptData, source, ": the name \"", name.substr(0, 200),
         "\" leaves the model's folder; only relative names inside it are accepted");
  }
  return folder / relative;
}

}  // namespace tamis
