// Files in and out, whole.
//
// Is: with mapped_file.h, staged_folder.h and file_states.h the only place that opens files. Is
// not: a parser. May use: error.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace tamis {

/// The whole file. Throws Error: kNotFound, kInvalidArgument (a folder), kUnavailable,
/// kCorruptData (over `max_bytes`).
[[nodiscard]] std::string read_file(const std::filesystem::path& path,
                                    size_t max_bytes = size_t{1} << 30);

/// True if a regular file is there. Throws Error{kInvalidArgument} for a pipe, socket or device.
[[nodiscard]] bool file_exists(const std::filesystem::path& path);

/// Writes and flushes the file. Throws Error{kUnavailable} naming the path and the reason (disk
/// full, permission); a file left incomplete is removed.
void write_file(const std::filesystem::path& path, std::string_view contents);

/// The same for contents that lie in pieces, written one behind the other.
void write_file(const std::filesystem::path& path, std::span<const std::string_view> pieces);

/// Writes what was written to the open file or folder through to the disk, where its file system
/// has such a thing. Throws Error{kUnavailable} naming `path`.
void write_through(int descriptor, const std::filesystem::path& path);

/// `folder`/`name` where name came from a file: refuses (kCorruptData, naming `source`) absolute
/// names, "..", and anything that would leave the folder.
[[nodiscard]] std::filesystem::path path_inside(const std::filesystem::path& folder,
                                                std::string_view name, std::string_view source);

}  // namespace tamis
