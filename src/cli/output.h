// Where a command writes: results to --output, words for a person to standard output.
//
// Is: files that appear whole, text that cannot command a terminal. Is not: formats. May use: base.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace tamis::cli {

/// Where results go: standard output for "-", else a file that appears when finish() is called. A
/// run that fails or is killed leaves what was there untouched and nothing half-written.
class OutputSink {
 public:
  /// Throws Error: kInvalidArgument (an empty path), kUnavailable.
  explicit OutputSink(std::string path);
  ~OutputSink();
  OutputSink(const OutputSink&) = delete;
  OutputSink& operator=(const OutputSink&) = delete;
  void write(std::string_view bytes);
  void write_line(std::string_view line);
  /// Puts the file in place. Throws Error{kUnavailable} if anything could not be written.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Lines for a reader, on standard output; control characters are spelled out.
void print_lines(std::string_view text);

}  // namespace tamis::cli
