// Rows of text to run a model on: .txt, .tsv, .jsonl, and Parquet and Arrow files.
//
// Is: the readers of design's input files, with messages that name file and line. Is not: an
// understanding of labels (a label stays the text that the file gives). May use: base.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tamis {

enum class TextFormat : uint8_t {
  kTxt,    ///< a text a line; an empty line is an empty text
  kTsv,    ///< a header of column names, then fields between tabs, taken as they stand (no quotes)
  kJsonl,  ///< a JSON object a line; empty lines are passed over
  kTable   ///< Parquet or Arrow, where they are built in (tables/table_reader.h)
};

/// An answer that question answering should give.
struct AnswerSpan {
  std::string text;
  std::optional<int64_t> start;  ///< in code points of the context
};

/// An entity that token classification should find, in code points of the text.
struct EntitySpan {
  int64_t start = 0;
  int64_t end = 0;  ///< behind the last
  std::string label;
};

/// One row; what the file does not give is empty. `text`, `question` or `query` is always given,
/// or `tokens`.
struct TextRow {
  std::optional<std::string> text;
  std::optional<std::string> text_pair;
  std::optional<std::string> label;  ///< a name or a class index, as the file gives it
  std::vector<std::string> labels;   ///< .jsonl: `label` as an array, for several at once
  std::optional<double> score;       ///< finite
  std::optional<std::string> question;
  std::optional<std::string> context;  ///< given wherever question is
  std::vector<AnswerSpan> answers;
  bool has_answers = false;  ///< true with no answers: the question cannot be answered
  std::optional<std::string> query;
  std::vector<std::string> texts;  ///< of query
  std::vector<std::string> tokens;
  std::vector<std::string> tags;  ///< one a token, "B-PER"
  std::vector<EntitySpan> entities;
  bool has_entities = false;  ///< `tags` or `entities` were given, even if there are none
  int64_t line = 0;           ///< where the row begins, from 1; of kTable which row it is
};

/// By the file name's end (".txt", ".tsv", ".jsonl", what table_format_of() takes), nothing if it
/// is another.
[[nodiscard]] std::optional<TextFormat> text_format_of(const std::filesystem::path& path);

/// Columns (of .tsv) and keys (of .jsonl): `text` with optional `text_pair`, `label`, `score`, and
/// `entities`; `question` and `context` with optional `answers`; `query` and `texts`; `tokens` with
/// optional `tags`. answers, entities, tokens and tags are .jsonl only; answers are an array of
/// texts or of {"text", "answer_start"}, or SQuAD's {"text": [..], "answer_start": [..]}; entities
/// an array of {"start", "end", "label"}. In .tsv every field from the column `texts` on, the last
/// one, is a text. Other columns are passed over. A byte order mark and CR LF are taken away. An
/// empty file has no rows. A table's columns are .jsonl's keys; a null is a key that lacks.
/// Throws Error{kCorruptData} naming `source` and line: not UTF-8, a row with too few or too many
/// fields, columns that do not make one of these rows, a value of the wrong kind. Of kTable also
/// what open_table() throws.
[[nodiscard]] std::vector<TextRow> parse_text_data(std::string_view bytes, TextFormat format,
                                                   std::string_view source);

/// Reads the file by its name's end. Throws Error: kInvalidArgument (another end), what
/// read_file() throws, and as above.
[[nodiscard]] std::vector<TextRow> read_text_data(const std::filesystem::path& path);

}  // namespace tamis
