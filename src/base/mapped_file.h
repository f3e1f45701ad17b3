// Files mapped read-only, whose contents stay what they were when they were opened.
//
// Is: a map of a private copy (private_copy.h): a file that is shortened, overwritten or removed
// under a running program neither ends it nor changes what it computes, and what a parser has
// checked stays as it was checked. Is not: a parser. May use: error, private_copy.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "base/descriptor.h"

namespace tamis {

/// Thread-safe: immutable after open(). The mapping lives as long as the object; share it with
/// shared_ptr to keep slices alive.
class MappedFile {
 public:
  /// Copies the file and maps the copy. Throws Error: kNotFound, kInvalidArgument (a folder),
  /// kUnavailable (cannot be read; changes while it is copied), kOutOfMemory.
  [[nodiscard]] static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  friend class FileSlice;
  MappedFile(std::filesystem::path path, Descriptor copy, const std::byte* data, size_t size)
      : path_(std::move(path)), copy_(std::move(copy)), data_(data), size_(size) {}
  void discard(std::span<const std::byte> bytes) const;

  std::filesystem::path path_;
  Descriptor copy_;
  const std::byte* data_;
  size_t size_;
};

/// Whether the owner is a MappedFile or a slice of one, handed on as a keeper of bytes, whose pages
/// can be read from disk again.
[[nodiscard]] bool is_mapped_file(const std::shared_ptr<const void>& owner);

/// A keeper of a part of a mapped file; when the last of its copies goes, the copy's bytes go too,
/// from disk or memory. `bytes` lie in `file`, and no other keeper's reader needs them. Any other
/// owner is handed back as it is.
[[nodiscard]] std::shared_ptr<const void> keep_slice(std::shared_ptr<const void> owner,
                                                     std::span<const std::byte> bytes);

/// Gives the memory of a part of a mapped file back to the system; what is touched again is read
/// again. The owner of `bytes` is_mapped_file().
void release_pages(std::span<const std::byte> bytes);

}  // namespace tamis
