// A file of results that a killed run leaves to the next.
//
// Is: FILE.partial, which grows, and FILE.partial.json, which says how far it is whole. Is not:
// what the results are. May use: base.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cli/output.h"

namespace tamis::cli {

/// Results as they come go to FILE.partial, which is FILE after finish(), or what FILE is made of.
/// About once a second they are put on the disk and FILE.partial.json says how many rows they
/// answer; a run that is killed loses what came after.
class ResumableOutput : public Sink {
 public:
  /// Hashes of what decides over the results beside the model.
  struct MadeFrom {
    std::string inputs;
    std::string options;
  };
  /// Makes FILE of what was written, where that is not FILE itself but what it is made of.
  using Make = std::function<void(const std::filesystem::path& written, const std::string& file)>;
  /// Throws Error: kInvalidArgument (a path that is no file; what is there was made from other
  /// inputs or with other options), kUnavailable (another process writes it),
  /// kCorruptData (FILE.partial.json cannot be understood).
  ResumableOutput(const std::string& path, MadeFrom made_from, Make make = {});
  ~ResumableOutput() override;

  /// Rows that are answered already; what is written comes behind them.
  [[nodiscard]] int64_t rows() const;
  /// Throws Error{kInvalidArgument} if the file does not begin with these bytes, which this run
  /// would write.
  void check_beginning(std::string_view bytes) const;
  void write(std::string_view bytes) override;
  void rows_done(int64_t rows) override;
  void finish() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tamis::cli
