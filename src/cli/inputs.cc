#include "cli/inputs.h"

#include <algorithm>
#include <iostream>
#include <iterator>

#include "base/error.h"
#include "base/file.h"
#include "base/mapped_file.h"
#include "base/sha256.h"
#include "formats/tables/table_reader.h"
#include "formats/text_reader.h"

namespace tamis::cli {

namespace {

constexpr std::string_view kStandardInput = "standard input";

// The bytes of --input and what they are.
struct Source {
  std::string name;
  TextFormat format = TextFormat::kTxt;
  std::string owned;                       // of standard input
  std::shared_ptr<const MappedFile> file;  // null for standard input

  [[nodiscard]] std::string_view bytes() const {
    if (file == nullptr) return owned;
    return {reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()};
  }
};

// A table by how it begins; lines of JSON objects if the first line is one, else lines of text.
Source read_standard_input() {
  Source source;
  source.name = kStandardInput;
  source.owned.assign(std::istreambuf_iterator<char>(std::cin), {});
  if (looks_like_table(source.owned)) {
    source.format = TextFormat::kTable;
    return source;
  }
  // Behind a byte order mark, which is no part of the first line.
  std::string_view text = source.owned;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const size_t first = text.find_first_not_of(" \t\r\n");
  const bool json = first != text.npos && text[first] == '{';
  source.format = json ? TextFormat::kJsonl : TextFormat::kTxt;
  return source;
}

Source open_source(const std::string& input) {
  if (input == "-") return read_standard_input();
  Source source;
  source.name = input;
  source.format = require_text_format(input);
  source.file = MappedFile::open(input);
  return source;
}

void check_given(const std::optional<std::string>& input, const std::vector<std::string>& texts) {
  if (input && !texts.empty()) {
    fail(ErrorCode::kInvalidArgument, "give texts or --input, not both");
  }
  if (!input && texts.empty()) {
    fail(ErrorCode::kInvalidArgument, "no input; give texts or --input FILE");
  }
}

}  // namespace

std::vector<TextRow> read_rows(const std::optional<std::string>& input,
                               const std::vector<std::string>& texts) {
  check_given(input, texts);
  if (input) {
    const Source source = open_source(*input);
    return parse_text_data(source.bytes(), source.format, source.name);
  }
  std::vector<TextRow> rows;
  for (const std::string& text : texts) rows.emplace_back().text = text;
  return rows;
}

std::string place_of(const std::optional<std::string>& input, const TextRow& row) {
  if (!input || row.line == 0) return "";
  return cat(*input == "-" ? kStandardInput : *input, ":", row.line);
}

tasks::TaskInput text_input(const TextRow& row, std::string_view place) {
  if (!row.text) {
    fail(ErrorCode::kInvalidArgument, place, place.empty() ? "" : ": ",
         "this command needs a \"text\"");
  }
  tasks::TaskInput input;
  input.text = *row.text;
  input.pair = row.text_pair;
  return input;
}

void add_pair(const std::optional<std::string>& pair, std::string_view place,
              tasks::TaskInput& input) {
  if (input.pair && input.pair->empty()) input.pair.reset();
  if (pair && input.pair) {
    fail(ErrorCode::kInvalidArgument, place, place.empty() ? "" : ": ",
         "has a \"text_pair\"; --pair is for texts without one");
  }
  if (pair && !pair->empty()) input.pair = pair;
}

struct InputReader::Impl {
  std::vector<tasks::TaskInput> given;  // without a file
  Source source;
  std::unique_ptr<TextReader> reader;  // null without a file
  MakeInput make;
  int64_t count = 0;
  int64_t taken = 0;

  void rewind() {
    reader = std::make_unique<TextReader>(source.bytes(), source.format, source.name);
  }
  // Pages of the file that have been read; what is needed again is read again. A small file is
  // held in memory, which could not be.
  void let_go() const {
    if (is_mapped_file(source.file)) release_pages(source.file->bytes());
  }
  void read_once();
  TaskInputs next_rows(size_t most);
};

void InputReader::Impl::read_once() {
  constexpr int64_t kRowsBetween = 4096;
  rewind();
  while (const auto row = reader->next()) {
    (void)make(*row, cat(source.name, ":", row->line));
    if (++count % kRowsBetween == 0) let_go();
  }
  let_go();
  rewind();
}

TaskInputs InputReader::Impl::next_rows(size_t most) {
  TaskInputs chunk;
  while (chunk.items.size() < most) {
    const auto row = reader->next();
    if (!row) break;
    std::string place = cat(source.name, ":", row->line);
    chunk.items.push_back(make(*row, place));
    chunk.places.push_back(std::move(place));
  }
  taken += static_cast<int64_t>(chunk.items.size());
  if (taken > count || (chunk.items.size() < most && taken < count)) {
    fail(ErrorCode::kCorruptData, source.name, ": has changed while it was read");
  }
  let_go();
  return chunk;
}

InputReader::InputReader(const std::optional<std::string>& input, std::vector<std::string> texts,
                         MakeInput make)
    : impl_(std::make_unique<Impl>()) {
  check_given(input, texts);
  impl_->make = std::move(make);
  if (input) {
    impl_->source = open_source(*input);
    impl_->read_once();
    return;
  }
  for (std::string& text : texts) {
    TextRow row;
    row.text = std::move(text);
    impl_->given.push_back(impl_->make(row, ""));
  }
  impl_->count = static_cast<int64_t>(impl_->given.size());
}

InputReader::InputReader(tasks::TaskInput only) : impl_(std::make_unique<Impl>()) {
  impl_->given.push_back(std::move(only));
  impl_->count = 1;
}

InputReader::~InputReader() = default;
InputReader::InputReader(InputReader&&) noexcept = default;

int64_t InputReader::count() const { return impl_->count; }

std::string InputReader::sha256() const {
  if (impl_->reader != nullptr) return sha256_of(impl_->source.bytes());
  std::string all;
  for (const tasks::TaskInput& input : impl_->given) {
    all += cat(input.text.size(), ":", input.text);
    if (input.pair) all += cat("p", input.pair->size(), ":", *input.pair);
    for (const std::string& text : input.texts) all += cat("t", text.size(), ":", text);
    all += '\n';
  }
  return sha256_of(all);
}

TaskInputs InputReader::next(size_t most) {
  if (impl_->reader != nullptr) return impl_->next_rows(most);
  TaskInputs chunk;
  while (chunk.items.size() < most && impl_->taken < impl_->count) {
    chunk.items.push_back(std::move(impl_->given[static_cast<size_t>(impl_->taken++)]));
    chunk.places.emplace_back();
  }
  return chunk;
}

void InputReader::skip(int64_t rows) {
  constexpr size_t kStep = 4096;
  while (rows > 0) {
    const auto part =
        static_cast<int64_t>(next(std::min<size_t>(kStep, static_cast<size_t>(rows))).items.size());
    TAMIS_CHECK(part > 0);
    rows -= part;
  }
}

}  // namespace tamis::cli
