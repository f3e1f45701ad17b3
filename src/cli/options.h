// The arguments of a command, declared and read.
//
// Is: the words of a command line as flags, options and positional arguments, every value byte for
// byte as it was given. Is not: a command, nor a reader of configuration files. May use: base.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tamis::cli {

/// Thrown by parse() where --version was asked for; what a program says then, its main() knows.
struct VersionAsked : std::exception {};

/// One command's arguments. Targets are set by parse() and must outlive it. Not thread-safe.
///
/// The grammar, and all of it: `--name VALUE`, `--name=VALUE`, `--flag`, `--flag=true` and
/// `=false`, `-o VALUE`, `-oVALUE`. VALUE may be empty where it is a text: of a file, a name or a
/// key that would say nothing, and most often comes of a variable that is not set. The word behind
/// an option that takes a value is its value, whatever it looks like. A word is an option if a
/// letter follows its dashes: "-",
/// "-5" and "- a text" are positional, and so is everything behind a word that is "--". An option
/// given twice counts as the last says, a list has both. No value is unquoted, split or expanded.
class Options {
 public:
  /// `example` is shown under --help.
  Options(std::string_view command, std::string_view summary, std::string_view example);
  ~Options();
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  /// `name` is "--name", or "-n,--name" with a letter for short.
  void flag(std::string_view name, bool& target, std::string_view help);
  void option(std::string_view name, std::string& target, std::string_view help);
  void option(std::string_view name, int64_t& target, std::string_view help);
  void option(std::string_view name, double& target, std::string_view help);
  void option(std::string_view name, std::optional<std::string>& target, std::string_view help);
  void option(std::string_view name, std::optional<int64_t>& target, std::string_view help);
  void option(std::string_view name, std::optional<double>& target, std::string_view help);
  void option(std::string_view name, std::vector<std::string>& target, std::string_view help);
  /// Options whose value is a text, which may be empty.
  void text(std::string_view name, std::string& target, std::string_view help);
  void text(std::string_view name, std::optional<std::string>& target, std::string_view help);
  void text(std::string_view name, std::vector<std::string>& target, std::string_view help);
  /// Each --flag-name that the command line leaves out is read from the variable PREFIX_FLAG_NAME,
  /// if that is there and not empty. Call it after the flags are declared.
  void read_environment(std::string_view prefix);

  /// Positional arguments are filled in the order of their declaration; a list takes all the rest.
  void positional(std::string_view name, std::string& target, bool required, std::string_view help);
  void positional(std::string_view name, std::vector<std::string>& target, bool required,
                  std::string_view help);

  /// Reads the arguments behind the command's name. False if --help was asked for and printed.
  /// Throws Error{kInvalidArgument} for what the command does not take, and VersionAsked.
  [[nodiscard]] bool parse(const std::vector<std::string>& arguments);
  /// What parse() read of options, a line each, but for those of these names ("--quiet").
  [[nodiscard]] std::string given_but(std::span<const std::string_view> left_out) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tamis::cli
