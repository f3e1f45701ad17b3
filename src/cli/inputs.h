// What a command runs: positional texts, or the rows of --input.
//
// Is: reading them, all at once or a chunk at a time. Is not: the formats (formats/text_data.h).
// May use: api.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/text_data.h"
#include "tasks/task.h"

namespace tamis::cli {

/// The rows of --input FILE ("-": standard input, lines of text or of JSON objects, or a table), or
/// one row a positional text.
[[nodiscard]] std::vector<TextRow> read_rows(const std::optional<std::string>& input,
                                             const std::vector<std::string>& texts);

/// "FILE:LINE" of a row of --input, "standard input:LINE", or "" for a positional text.
[[nodiscard]] std::string place_of(const std::optional<std::string>& input, const TextRow& row);

/// The row as text and optional pair. Throws kInvalidArgument naming `place` if it is another kind
/// of row.
[[nodiscard]] tasks::TaskInput text_input(const TextRow& row, std::string_view place);

/// Gives the text the pair of --pair. An empty second text is none, as for a pipeline of
/// transformers. Throws kInvalidArgument naming `place` where the text has one already.
void add_pair(const std::optional<std::string>& pair, std::string_view place,
              tasks::TaskInput& input);

/// What to run, and the place_of() each for errors.
struct TaskInputs {
  std::vector<tasks::TaskInput> items;
  std::vector<std::string> places;
};

/// Makes an input of a row; throws kInvalidArgument naming `place` if the command cannot run it.
using MakeInput = std::function<tasks::TaskInput(const TextRow& row, std::string_view place)>;

/// The rows as inputs, chunk by chunk: a file is mapped, and what has been read is let go of, so
/// that memory does not grow with the number of rows. Not thread-safe.
class InputReader {
 public:
  /// Reads all rows once, so that nothing is run of a file with a row that cannot be. Throws Error:
  /// kInvalidArgument (both texts and `input`, or neither), what TextReader and `make` throw.
  InputReader(const std::optional<std::string>& input, std::vector<std::string> texts,
              MakeInput make = text_input);
  /// One input without a file.
  explicit InputReader(tasks::TaskInput only);
  ~InputReader();
  InputReader(InputReader&&) noexcept;
  InputReader& operator=(InputReader&&) = delete;

  /// How many rows there are.
  [[nodiscard]] int64_t count() const;
  /// SHA-256 of the file's bytes, or of the inputs.
  [[nodiscard]] std::string sha256() const;
  /// The next inputs, at most `most`; none behind the last.
  [[nodiscard]] TaskInputs next(size_t most);
  /// Passes over the next `rows` inputs.
  void skip(int64_t rows);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tamis::cli
