// Files in and out: whole files, read-only maps, and folders that appear all at once or not at all.
//
// Is: the only place that opens files. Is not: a parser. May use: error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tamis {

/// A file mapped read-only. Thread-safe: immutable after open(). The mapping lives as long as the
/// object; share it with shared_ptr to keep slices alive.
class MappedFile {
 public:
  /// Throws Error: kNotFound, kInvalidArgument (a folder), kUnavailable (cannot be read).
  [[nodiscard]] static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  MappedFile(std::filesystem::path path, const std::byte* data, size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}

  std::filesystem::path path_;
  const std::byte* data_;
  size_t size_;
};

/// Whether the owner is a MappedFile, handed on as a keeper of slices.
[[nodiscard]] bool is_mapped_file(const std::shared_ptr<const void>& owner);

/// Gives the memory of a part of a mapped file back to the system; what is touched again is read
/// again. `bytes` lie in a MappedFile.
void release_pages(std::span<const std::byte> bytes);

/// The whole file. Throws Error: kNotFound, kInvalidArgument (a folder), kUnavailable,
/// kCorruptData (over `max_bytes`).
[[nodiscard]] std::string read_file(const std::filesystem::path& path,
                                    size_t max_bytes = size_t{1} << 30);

/// True if a regular file is there.
[[nodiscard]] bool file_exists(const std::filesystem::path& path);

/// Writes and flushes the file. Throws Error{kUnavailable} naming the path and the reason (disk
/// full, permission); a file left incomplete is removed.
void write_file(const std::filesystem::path& path, std::string_view contents);

/// The same for contents that lie in pieces, written one behind the other.
void write_file(const std::filesystem::path& path, std::span<const std::string_view> pieces);

/// A folder written beside its destination and renamed into place by commit(); without commit()
/// the destructor removes it. Not thread-safe.
class StagedFolder {
 public:
  /// Throws Error{kInvalidArgument} if `destination` exists and `replace` is false, or is not a
  /// folder; kUnavailable if the parent cannot be written.
  StagedFolder(std::filesystem::path destination, bool replace);
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  /// Where to write the files.
  [[nodiscard]] const std::filesystem::path& path() const { return staging_; }
  /// Makes the folder appear at its destination.
  void commit();

 private:
  std::filesystem::path destination_;
  std::filesystem::path staging_;
  bool replace_;
  bool committed_ = false;
};

/// `folder`/`name` where name came from a file: refuses (kCorruptData, naming `source`) absolute
/// names, "..", and anything that would leave the folder.
[[nodiscard]] std::filesystem::path path_inside(const std::filesystem::path& folder,
                                                std::string_view name, std::string_view source);

}  // namespace tamis
