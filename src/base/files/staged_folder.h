// Folders that appear all at once or not at all.
//
// Is: a stage beside the destination, its exchange with what lies there, and what remains of a
// writer that was killed. Is not: the files in it. May use: error.
//
// A stage is DESTINATION.tmp-XXXXXX, locked by flock(2) while its writer lives. Where the file
// system can exchange two names, the destination is at every moment the old folder or the new one,
// and the old one then bears the stage's name. Elsewhere the old folder is first moved to
// STAGE.old; a writer killed right then leaves no destination, and the next reader puts the old
// folder back (settled_folder()).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

#include "base/descriptor.h"

namespace tamis {

/// Not thread-safe.
class StagedFolder {
 public:
  /// Removes stages of the same destination that are over a day old and that no process locks. A
  /// destination that is a link stands for what it points to.
  /// Throws Error{kInvalidArgument} if `destination` exists and `replace` is false, or is not a
  /// folder; kUnavailable if the parent cannot be written.
  StagedFolder(std::filesystem::path destination, bool replace);
  /// Removes the stage unless commit() has put it in place.
  ~StagedFolder();
  StagedFolder(const StagedFolder&) = delete;
  StagedFolder& operator=(const StagedFolder&) = delete;

  /// Where to write the files.
  [[nodiscard]] const std::filesystem::path& path() const { return stage_; }
  /// Writes all files through to the disk and makes the folder appear at its destination. Throws
  /// Error{kUnavailable}; the destination is then what it was.
  void commit();

 private:
  /// How the new folder came to its destination.
  enum class Placed : uint8_t { kNew, kExchanged, kMoved };

  void make_stage();
  Placed exchange();
  void move_twice();
  Placed place_new();
  void take_back(Placed placed, const std::filesystem::path& stage);
  void remove_stage();

  std::filesystem::path destination_;
  std::filesystem::path parent_;
  std::filesystem::path stage_;
  Descriptor lock_;
  bool replace_;
};

/// Throws Error{kInvalidArgument} if `input` is `destination` or lies in it: what is read would be
/// replaced.
void check_kept_apart(const std::filesystem::path& destination, const std::filesystem::path& input);

/// Throws Error{kInvalidArgument} if `destination` is there and holds what `is_own` denies, as that
/// would be lost. `writer` is who replaces it: "export".
void check_replaceable(const std::filesystem::path& destination, std::string_view writer,
                       const std::function<bool(const std::filesystem::directory_entry&)>& is_own);

/// Removes the stages of this process; for a handler of signals that end it. Async-signal-safe. The
/// thread that writes a stage must not go on meanwhile.
void remove_stages() noexcept;

/// The folder to read where `folder` is asked for. If it is missing because a writer was killed
/// between its two renames, it is put back first; where that cannot be written, what was moved
/// aside is read in its place. A writer that lives is waited for. Thread-safe.
[[nodiscard]] std::filesystem::path settled_folder(const std::filesystem::path& folder);

/// Puts back every folder that a killed writer moved aside from `parent`, as settled_folder() does.
void settle_inside(const std::filesystem::path& parent);

/// Whether a folder's name is that of a stage or of what a stage moved aside.
[[nodiscard]] bool is_stage_name(std::string_view name);

}  // namespace tamis
