#include "base/mapped_file.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/private_copy.h"

namespace tamis {

namespace fs = std::filesystem;

namespace {

/// Whole pages inside [begin, end): what shares a page with a neighbor is none of it.
struct PageRange {
  std::byte* data = nullptr;
  size_t size = 0;

  explicit PageRange(std::span<const std::byte> bytes) {
    const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    const size_t before = (page - reinterpret_cast<uintptr_t>(bytes.data()) % page) % page;
    if (bytes.size() < before) return;
    data = const_cast<std::byte*>(bytes.data()) + before;
    size = (bytes.size() - before) / page * page;
  }
  [[nodiscard]] bool empty() const { return size == 0; }
};

// Types of their own, by which an owner is known for a mapped file, on disk or in memory.
struct DeleteMappedFile {
  void operator()(const MappedFile* file) const { delete file; }
};
struct DeleteMemory {
  void operator()(const MappedFile* file) const { delete file; }
};

}  // namespace

/// The deleter of a slice's keeper: lets go of the slice's bytes.
class FileSlice {
 public:
  FileSlice(std::shared_ptr<const MappedFile> file, std::span<const std::byte> bytes)
      : file_(std::move(file)), bytes_(bytes) {}
  void operator()(const void* /*bytes*/) const { file_->discard(bytes_); }
  [[nodiscard]] bool on_disk() const { return static_cast<bool>(file_->copy_); }

 private:
  std::shared_ptr<const MappedFile> file_;
  std::span<const std::byte> bytes_;
};

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path) {
  size_t size = 0;
  const Descriptor file = open_regular(path, size);
  PrivateCopy copy = copy_privately(file.get(), path, {path.parent_path(), temporary_folders()});
  const bool on_disk = static_cast<bool>(copy.file);
  auto* made = new MappedFile(path, std::move(copy.file), copy.data, copy.size);
  if (on_disk) return {made, DeleteMappedFile()};
  return {made, DeleteMemory()};
}

MappedFile::~MappedFile() {
  if (size_ != 0) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::discard(std::span<const std::byte> bytes) const {
  const PageRange pages(bytes);
  if (pages.empty()) return;
  if (!copy_) {
    (void)::madvise(pages.data, pages.size, MADV_DONTNEED);
    return;
  }
  // Advice: where the file system makes no holes, the bytes stay until the file is closed.
  (void)::fallocate(copy_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(pages.data - data_), static_cast<off_t>(pages.size));
}

bool is_mapped_file(const std::shared_ptr<const void>& owner) {
  if (std::get_deleter<DeleteMappedFile>(owner) != nullptr) return true;
  const auto* slice = std::get_deleter<FileSlice>(owner);
  return slice != nullptr && slice->on_disk();
}

std::shared_ptr<const void> keep_slice(std::shared_ptr<const void> owner,
                                       std::span<const std::byte> bytes) {
  const bool is_file = std::get_deleter<DeleteMappedFile>(owner) != nullptr ||
                       std::get_deleter<DeleteMemory>(owner) != nullptr;
  if (!is_file || bytes.empty()) return owner;
  return {static_cast<const void*>(bytes.data()),
          FileSlice(std::static_pointer_cast<const MappedFile>(owner), bytes)};
}

void release_pages(std::span<const std::byte> bytes) {
  const PageRange pages(bytes);
  if (pages.empty()) return;
  // Advice: where the system does not take it, the pages stay.
  (void)::madvise(pages.data, pages.size, MADV_DONTNEED);
}

}  // namespace tamis
