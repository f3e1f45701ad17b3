// A copy of a file that no other process can shorten or change.
//
// Is: an unlinked file on disk where one can be made, so that pages that are not read stay out of
// memory; memory where none can. Is not: an owner (mapped_file.h). May use: descriptor, error.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "base/descriptor.h"

namespace tamis {

/// Where a copy may lie; each is tried until one takes all bytes. Memory comes last by itself.
struct CopyPlaces {
  /// Tried first, but only for a clone that shares the file's blocks (XFS, Btrfs).
  std::filesystem::path clone_folder;
  /// Folders on disk; one whose file system lies in memory is passed over.
  std::span<const std::filesystem::path> folders;
};

/// Folders for temporary files: $TMPDIR as it was at the first call, /var/tmp, /tmp.
[[nodiscard]] std::span<const std::filesystem::path> temporary_folders();

/// Mapped read-only; munmap() is the caller's.
struct PrivateCopy {
  const std::byte* data = nullptr;
  size_t size = 0;
  Descriptor file;  ///< open if the copy lies on disk
};

/// Copies the open file `from`, whose name is `path` for messages. Throws Error{kUnavailable} if
/// the file cannot be read, or changes while it is copied and does so again when that is tried
/// anew; kOutOfMemory if neither disk nor memory has room.
[[nodiscard]] PrivateCopy copy_privately(int from, const std::filesystem::path& path,
                                         const CopyPlaces& places);

}  // namespace tamis
