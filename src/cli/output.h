// Where a command writes: results to --output, words for a person to standard output.
//
// Is: files that appear whole, text that cannot command a terminal. Is not: formats. May use: base.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tamis::cli {

/// Where results go. All throw Error{kUnavailable} for what could not be written.
class Sink {
 public:
  Sink() = default;
  virtual ~Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  virtual void write(std::string_view bytes) = 0;
  /// What was written so far is the answers to the first `rows` inputs, whole.
  virtual void rows_done(int64_t rows) = 0;
  /// Puts the file in place.
  virtual void finish() = 0;
};

/// Standard output for "-", else a file that appears when finish() is called. A run that fails or
/// is killed leaves what was there untouched and nothing half-written.
class OutputSink : public Sink {
 public:
  /// Throws Error: kInvalidArgument (an empty path), kUnavailable.
  explicit OutputSink(std::string path);
  ~OutputSink() override;
  void write(std::string_view bytes) override;
  void rows_done(int64_t /*rows*/) override {}
  void finish() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Lines for a reader, on standard output; control characters are spelled out.
void print_lines(std::string_view text);

}  // namespace tamis::cli
