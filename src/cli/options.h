// The arguments of a command, declared and read.
//
// Is: a thin face of CLI11, the only file that knows it. Is not: a command. May use: base.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tamis::cli {

/// One command's arguments. Targets are set by parse() and must outlive it. Not thread-safe.
class Options {
 public:
  /// `example` is shown under --help.
  Options(std::string_view command, std::string_view summary, std::string_view example);
  ~Options();
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  void flag(std::string_view name, bool& target, std::string_view help);
  void option(std::string_view name, std::string& target, std::string_view help);
  void option(std::string_view name, int64_t& target, std::string_view help);
  void option(std::string_view name, std::optional<std::string>& target, std::string_view help);
  void option(std::string_view name, std::optional<int64_t>& target, std::string_view help);
  void option(std::string_view name, std::vector<std::string>& target, std::string_view help);
  /// Each --flag-name that the command line leaves out is read from the variable PREFIX_FLAG_NAME.
  /// Call it after the flags are declared.
  void read_environment(std::string_view prefix);

  void positional(std::string_view name, std::string& target, bool required, std::string_view help);
  void positional(std::string_view name, std::vector<std::string>& target, bool required,
                  std::string_view help);

  /// Reads the arguments behind the command's name. False if --help was asked for and printed.
  /// Throws Error{kInvalidArgument} for what the command does not take.
  [[nodiscard]] bool parse(const std::vector<std::string>& arguments);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tamis::cli
