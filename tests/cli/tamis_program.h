// Runs the tamis binary as a user's shell does.
//
// Is: a process, its exit status and what it wrote. Is not: a way into the program's code. May use:
// base.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tamis::cli_test {

/// A folder that is gone with the object.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::string operator/(std::string_view name) const {
    return (path_ / name).string();
  }
  /// Writes a file and gives its path back.
  std::string write(std::string_view name, std::string_view bytes) const;
  /// A copy of a folder of testdata that can be changed.
  [[nodiscard]] std::filesystem::path copy(std::string_view testdata_folder) const;

 private:
  std::filesystem::path path_;
};

struct Outcome {
  int status = 0;  ///< exit status; 1000 + signal if one ended it
  std::string out;
  std::string err;
  int64_t peak_kib = 0;  ///< the most memory that was resident
};

/// How a run differs from the ordinary.
struct Surroundings {
  std::string input;                      ///< standard input
  std::string output_to;                  ///< a path instead of a file that is read back
  bool output_closed = false;             ///< standard output is no open file
  bool output_unread = false;             ///< a pipe that nobody reads any more
  std::optional<int64_t> max_file_bytes;  ///< RLIMIT_FSIZE, its signal ignored
  std::vector<std::pair<std::string, std::string>> environment;
};

[[nodiscard]] Outcome tamis(const std::vector<std::string>& arguments,
                            const Surroundings& surroundings = {});

/// The output's lines without their ends.
[[nodiscard]] std::vector<std::string> lines(std::string_view text);

/// A folder of testdata.
[[nodiscard]] std::string testdata(std::string_view name);

}  // namespace tamis::cli_test
