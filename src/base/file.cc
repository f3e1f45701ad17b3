#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/error.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

std::string reason() { return std::generic_category().message(errno); }

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  int close() {
    const int fd = fd_;
    fd_ = -1;
    return fd < 0 ? 0 : ::close(fd);
  }

 private:
  int fd_;
};

// A type of its own, by which an owner is known for a mapped file.
struct DeleteMappedFile {
  void operator()(const MappedFile* file) const { delete file; }
};

// Opens a regular file for reading and gives its size.
int open_regular(const fs::path& path, size_t& size) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      fail(ErrorCode::kNotFound, path.string(), ": no such file");
    }
    fail(ErrorCode::kUnavailable, path.string(), ": cannot be opened: ", reason());
  }
  struct stat status = {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd);
    fail(ErrorCode::kInvalidArgument, path.string(), ": not a regular file");
  }
  size = static_cast<size_t>(status.st_size);
  return fd;
}

void write_all(int fd, std::string_view contents, const fs::path& path) {
  while (!contents.empty()) {
    const ssize_t written = ::write(fd, contents.data(), contents.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      fail(ErrorCode::kUnavailable, path.string(), ": cannot be written: ", reason());
    }
    contents.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path) {
  size_t size = 0;
  const Descriptor fd(open_regular(path, size));
  if (size == 0) {
    return std::shared_ptr<const MappedFile>(new MappedFile(path, nullptr, 0), DeleteMappedFile());
  }
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) {
    fail(ErrorCode::kUnavailable, path.string(), ": cannot be mapped: ", reason());
  }
  return std::shared_ptr<const MappedFile>(
      new MappedFile(path, static_cast<const std::byte*>(data), size), DeleteMappedFile());
}

bool is_mapped_file(const std::shared_ptr<const void>& owner) {
  return std::get_deleter<DeleteMappedFile>(owner) != nullptr;
}

void release_pages(std::span<const std::byte> bytes) {
  // Whole pages only: what shares a page with a neighbour stays.
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t last = (begin + bytes.size()) / page * page;
  if (first >= last) return;
  // Advice: where the system does not take it, the pages stay.
  (void)::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (size_ != 0) ::munmap(const_cast<std::byte*>(data_), size_);
}

std::string read_file(const fs::path& path, size_t max_bytes) {
  size_t size = 0;
  const Descriptor fd(open_regular(path, size));
  if (size > max_bytes) {
    fail(ErrorCode::kCorruptData, path.string(), ": ", size, " bytes is over the limit of ",
         max_bytes, " bytes");
  }
  std::string contents(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t got = ::read(fd.get(), contents.data() + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(ErrorCode::kUnavailable, path.string(), ": cannot be read: ", reason());
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  contents.resize(done);
  return contents;
}

bool file_exists(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

void write_file(const fs::path& path, std::string_view contents) {
  write_file(path, std::span<const std::string_view>(&contents, 1));
}

void write_file(const fs::path& path, std::span<const std::string_view> pieces) {
  Descriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (fd.get() < 0) {
    fail(ErrorCode::kUnavailable, path.string(), ": cannot be created: ", reason());
  }
  try {
    for (const std::string_view piece : pieces) write_all(fd.get(), piece, path);
    if (fd.close() != 0) {
      fail(ErrorCode::kUnavailable, path.string(), ": cannot be written: ", reason());
    }
  } catch (const Error&) {
    std::error_code ignored;
    // Only what this call made goes away: /dev/full and pipes stay.
    if (fs::is_regular_file(path, ignored)) fs::remove(path, ignored);
    throw;
  }
}

StagedFolder::StagedFolder(fs::path destination, bool replace)
    : destination_(std::move(destination)), replace_(replace) {
  if (destination_.filename().empty()) destination_ = destination_.parent_path();
  std::error_code error;
  if (fs::exists(destination_, error)) {
    if (!fs::is_directory(destination_, error)) {
      fail(ErrorCode::kInvalidArgument, destination_.string(), ": exists and is not a folder");
    }
    if (!replace_ && !fs::is_empty(destination_, error)) {
      fail(ErrorCode::kInvalidArgument, destination_.string(),
           ": exists already; give another folder or --force to replace it");
    }
    replace_ = true;
  }
  fs::path parent = destination_.parent_path();
  if (parent.empty()) parent = ".";
  fs::create_directories(parent, error);
  std::string pattern = (parent / (destination_.filename().string() + ".tmp-XXXXXX")).string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    fail(ErrorCode::kUnavailable, parent.string(), ": cannot create a folder here: ", reason());
  }
  staging_ = pattern;
  ::chmod(staging_.c_str(), 0755);
}

StagedFolder::~StagedFolder() {
  if (committed_) return;
  std::error_code ignored;
  fs::remove_all(staging_, ignored);
}

void StagedFolder::commit() {
  std::error_code error;
  fs::path old;
  if (replace_ && fs::exists(destination_, error)) {
    old = staging_.string() + ".old";
    fs::rename(destination_, old, error);
    if (error) {
      fail(ErrorCode::kUnavailable, destination_.string(),
           ": cannot be replaced: ", error.message());
    }
  }
  fs::rename(staging_, destination_, error);
  if (error) {
    const std::string why = error.message();
    if (!old.empty()) fs::rename(old, destination_, error);
    fail(ErrorCode::kUnavailable, destination_.string(), ": cannot be put in place: ", why);
  }
  committed_ = true;
  if (!old.empty()) fs::remove_all(old, error);
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
