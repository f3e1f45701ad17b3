#include "formats/text_data.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/plain_text.h"
#include "formats/tables/table_writer.h"
#include "formats/text_data_json.h"
#include "formats/text_reader.h"

namespace tamis {

namespace {

struct Line {
  std::string_view text;
  int64_t number = 0;
};

// The lines of a text without their ends, checked to be UTF-8. Lines end with LF or CR LF; where
// the text has no LF at all, with CR.
class LineReader {
 public:
  LineReader(std::string_view bytes, std::string_view source)
      : rest_(bytes), source_(source), end_(bytes.find('\n') == bytes.npos ? '\r' : '\n') {
    if (rest_.starts_with("\xff\xfe") || rest_.starts_with("\xfe\xff")) {
      fail(ErrorCode::kCorruptData, source_, ": UTF-16; only UTF-8 is accepted");
    }
    if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);
  }

  std::optional<Line> next() {
    if (rest_.empty()) return std::nullopt;
    const size_t end = std::min(rest_.find(end_), rest_.size());
    std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    ++number_;
    if (end_ == '\n' && text.ends_with('\r')) text.remove_suffix(1);
    for (size_t at = 0; at < text.size();) {
      const size_t length = utf8_sequence_length(text, at);
      if (length == 0) {
        fail(ErrorCode::kCorruptData, source_, ":", number_, ": byte ", at + 1,
             " of the line is not UTF-8");
      }
      at += length;
    }
    return Line{text, number_};
  }

 private:
  std::string_view rest_;
  std::string_view source_;
  char end_;
  int64_t number_ = 0;
};

std::vector<std::string_view> split_tabs(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const size_t tab = line.find('\t');
    fields.push_back(line.substr(0, tab));
    if (tab == std::string_view::npos) return fields;
    line.remove_prefix(tab + 1);
  }
}

double parse_score(std::string_view field, std::string_view where) {
  double score = 0;
  const char* end = field.data() + field.size();
  const auto parsed = std::from_chars(field.data(), end, score);
  if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(score)) {
    fail(ErrorCode::kCorruptData, where, ": score ", json_quote(field.substr(0, 100)),
         " is not a number");
  }
  return score;
}

// Sets one field of a row from one of a .tsv line.
struct Column {
  std::string_view name;
  void (*set)(TextRow& row, std::string_view field, std::string_view where);
};
constexpr Column kColumns[] = {
    {"text", [](TextRow& row, std::string_view field, std::string_view) { row.text = field; }},
    {"text_pair",
     [](TextRow& row, std::string_view field, std::string_view) { row.text_pair = field; }},
    {"label", [](TextRow& row, std::string_view field, std::string_view) { row.label = field; }},
    {"score", [](TextRow& row, std::string_view field,
                 std::string_view where) { row.score = parse_score(field, where); }},
    {"question",
     [](TextRow& row, std::string_view field, std::string_view) { row.question = field; }},
    {"context",
     [](TextRow& row, std::string_view field, std::string_view) { row.context = field; }},
    {"query", [](TextRow& row, std::string_view field, std::string_view) { row.query = field; }},
    {"texts",
     [](TextRow& row, std::string_view field, std::string_view) { row.texts.emplace_back(field); }},
};

// The header of a .tsv file, and how it makes a row of a line.
class TsvHeader {
 public:
  TsvHeader(std::string_view header, std::string_view source) : source_(source) {
    read_header(header);
  }

  [[nodiscard]] TextRow read_row(const Line& line) const {
    const std::string where = cat(source_, ":", line.number);
    const auto fields = split_tabs(line.text);
    if (fields.size() < columns_.size() || (fields.size() > columns_.size() && !open_ended_)) {
      fail(ErrorCode::kCorruptData, where, ": ", fields.size(), " fields, but the header has ",
           columns_.size(), open_ended_ ? " or more" : "");
    }
    TextRow row;
    row.line = line.number;
    for (size_t i = 0; i < fields.size(); ++i) {
      const Column* column = columns_[std::min(i, columns_.size() - 1)];
      if (column != nullptr) column->set(row, fields[i], where);
    }
    return row;
  }

 private:
  void read_header(std::string_view header) {
    const auto names = split_tabs(header);
    const auto has = [&names](std::string_view name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (!has("text") && !(has("question") && has("context")) && !(has("query") && has("texts"))) {
      fail(ErrorCode::kCorruptData, source_, ":1: the header names the columns ",
           json_quote(header.substr(0, 200)),
           "; accepted are text (with text_pair, label, score), question and context, query and "
           "texts, between tabs");
    }
    for (const std::string_view name : names) {
      const auto* column = std::find_if(std::begin(kColumns), std::end(kColumns),
                                        [name](const Column& row) { return row.name == name; });
      const bool known = column != std::end(kColumns);
      if (known && std::count(names.begin(), names.end(), name) > 1) {
        fail(ErrorCode::kCorruptData, source_, ":1: the header names the column ", json_quote(name),
             " twice");
      }
      columns_.push_back(known ? column : nullptr);
    }
    open_ended_ = names.back() == "texts";
    if (has("texts") && !open_ended_) {
      fail(ErrorCode::kCorruptData, source_, ":1: the column texts must be the last one");
    }
  }

  std::string_view source_;
  std::vector<const Column*> columns_;  // null: passed over
  bool open_ended_ = false;
};

struct FormatRow {
  std::string_view extension;
  TextFormat format;
};
constexpr FormatRow kFormats[] = {
    {".txt", TextFormat::kTxt}, {".tsv", TextFormat::kTsv}, {".jsonl", TextFormat::kJsonl}};

// That a table's columns make rows.
void check_columns(const std::vector<std::string>& names, std::string_view source) {
  const auto has = [&names](std::string_view name) {
    return std::ranges::find(names, name) != names.end();
  };
  if (has("text") || has("tokens") || (has("question") && has("context")) ||
      (has("query") && has("texts"))) {
    return;
  }
  std::string own;
  for (const std::string& name : names) own += cat(own.empty() ? "" : ", ", name);
  fail(ErrorCode::kCorruptData, source, ": has the columns ", json_quote(own.substr(0, 200)),
       "; accepted are text (with text_pair, label, score, entities), question and context (with "
       "answers), query and texts, tokens (with tags)");
}

}  // namespace

bool has_extension(const std::filesystem::path& path, std::string_view extension) {
  const std::string own = path.extension().string();
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(own.begin(), own.end(), extension.begin(), extension.end(),
                    [&](char a, char b) { return lower(a) == lower(b); });
}

std::optional<TextFormat> text_format_of(const std::filesystem::path& path) {
  for (const FormatRow& row : kFormats) {
    if (has_extension(path, row.extension)) return row.format;
  }
  if (table_format_of(path)) return TextFormat::kTable;
  return std::nullopt;
}

TextFormat require_text_format(const std::filesystem::path& path) {
  const auto format = text_format_of(path);
  if (!format) {
    fail(ErrorCode::kInvalidArgument, path.string(),
         ": unknown kind of file; accepted are .txt, .tsv, .jsonl",
         tables_are_built_in() ? ", .parquet, .arrow, .feather and .arrows" : "");
  }
  if (*format == TextFormat::kTable) require_tables(path.string());
  return *format;
}

struct TextReader::Impl {
  Impl(std::string_view bytes, TextFormat text_format, std::string_view name)
      : format(text_format), source(name) {
    if (format == TextFormat::kTable) {
      table = open_table(bytes, source, json_row_keys());
      check_columns(table->columns(), source);
      return;
    }
    lines.emplace(bytes, source);
    if (format != TextFormat::kTsv) return;
    if (const auto line = lines->next()) header.emplace(line->text, source);
  }

  std::optional<TextRow> next_of_table() {
    const auto json = table->next();
    if (!json) return std::nullopt;
    ++table_row;
    TextRow row = parse_json_row(*json, cat(source, ":", table_row));
    row.line = table_row;
    return row;
  }

  TextFormat format;
  std::string source;
  std::optional<LineReader> lines;  // of all but kTable
  std::optional<TsvHeader> header;
  std::unique_ptr<TableReader> table;
  int64_t table_row = 0;
};

TextReader::TextReader(std::string_view bytes, TextFormat format, std::string_view source)
    : impl_(std::make_unique<Impl>(bytes, format, source)) {}

TextReader::~TextReader() = default;

std::optional<TextRow> TextReader::next() {
  if (impl_->table != nullptr) return impl_->next_of_table();
  while (const auto line = impl_->lines->next()) {
    TextRow row;
    switch (impl_->format) {
      case TextFormat::kTable:
        break;
      case TextFormat::kTxt:
        row.text = line->text;
        break;
      case TextFormat::kTsv:
        row = impl_->header->read_row(*line);
        break;
      case TextFormat::kJsonl:
        if (line->text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        row = parse_json_row(line->text, cat(impl_->source, ":", line->number));
        break;
    }
    row.line = line->number;
    return row;
  }
  return std::nullopt;
}

std::vector<TextRow> parse_text_data(std::string_view bytes, TextFormat format,
                                     std::string_view source) {
  TextReader reader(bytes, format, source);
  std::vector<TextRow> rows;
  while (auto row = reader.next()) rows.push_back(std::move(*row));
  return rows;
}

std::vector<TextRow> read_text_data(const std::filesystem::path& path) {
  const TextFormat format = require_text_format(path);
  return parse_text_data(read_file(path), format, path.string());
}

}  // namespace tamis
