// What the files of a folder are, to notice that one of them changes.
//
// Is: identity, size and times of the files a model is read from. Is not: their contents. May use:
// nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace tamis {

/// Copy freely. Thread-safe once all is added.
class FileStates {
 public:
  /// Of the files in a folder and in the folders right inside it that can be part of a model, by
  /// their endings; links are followed. Of a file: itself. What is not there has no state.
  explicit FileStates(const std::filesystem::path& folder_or_file);

  /// Those of a second folder or file too; not thread-safe.
  void add_all(const std::filesystem::path& folder_or_file);

  /// The first file, by name, that is no longer what it was: written, replaced or removed. Files
  /// that came later do not count.
  [[nodiscard]] std::optional<std::filesystem::path> changed() const;

 private:
  struct State {
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t size_bytes = 0;
    int64_t modified_ns = 0;
    int64_t status_changed_ns = 0;
    friend bool operator==(const State&, const State&) = default;
  };
  [[nodiscard]] static std::optional<State> state_of(const std::filesystem::path& file);
  void add(const std::filesystem::path& file);

  std::map<std::filesystem::path, State> states_;
};

}  // namespace tamis
