// Parquet and Arrow files written and read again, and what no reader should trust. What pyarrow,
// pandas and polars write and read is held in tests/tables.
#include <cstring>
#include <random>

#include "base/json.h"
#include "formats/tables/table_reader.h"
#include "formats/tables/table_writer.h"
#include "formats/test_util.h"
#include "formats/text_reader.h"

namespace tamis {
namespace {

using std::string_literals::operator""s;
using Rows = std::vector<std::string>;

constexpr TableFormat kFormats[] = {TableFormat::kParquet, TableFormat::kArrowFile,
                                    TableFormat::kArrowStream};

TableColumn column(std::string name, ColumnKind kind, std::vector<TableColumn> parts = {},
                   int64_t length = 0) {
  return {std::move(name), kind, length, std::move(parts)};
}

TableSchema json(std::vector<TableColumn> columns) {
  return {std::move(columns), RowEncoding::kJson};
}

std::string table(TableFormat format, const TableSchema& schema, const Rows& rows) {
  std::string bytes;
  const auto writer =
      make_table_writer(format, schema, "x", [&bytes](std::string_view part) { bytes += part; });
  for (const std::string& row : rows) writer->append(row);
  writer->finish();
  return bytes;
}

std::vector<TextRow> read(std::string_view bytes) {
  return parse_text_data(bytes, TextFormat::kTable, "x.parquet");
}

const TableSchema kTexts =
    json({column("id", ColumnKind::kInt64), column("text", ColumnKind::kText),
          column("text_pair", ColumnKind::kText)});

class Tables : public testing::Test {
 protected:
  void SetUp() override {
    if (!tables_are_built_in()) GTEST_SKIP() << "built without TAMIS_ARROW";
  }
};

TEST(TableNames, AreKnownByTheirEnd) {
  EXPECT_EQ(table_format_of("a.parquet"), TableFormat::kParquet);
  EXPECT_EQ(table_format_of("a.ARROW"), TableFormat::kArrowFile);
  EXPECT_EQ(table_format_of("a.feather"), TableFormat::kArrowFile);
  EXPECT_EQ(table_format_of("a.arrows"), TableFormat::kArrowStream);
  EXPECT_EQ(table_format_of("a.jsonl"), std::nullopt);
  EXPECT_EQ(text_format_of("a.parquet"), TextFormat::kTable);
}

TEST(TableNames, AreRefusedWhereTheyAreNotBuiltIn) {
  if (tables_are_built_in()) GTEST_SKIP() << "built with TAMIS_ARROW";
  const auto part = "Parquet and Arrow files are not built in; the program tamis reads and writes";
  expect_error(ErrorCode::kUnsupported, cat("x.parquet: ", part), [] { (void)read("PAR1"); });
  expect_error(ErrorCode::kUnsupported, cat("a.arrow: ", part),
               [] { (void)require_text_format("a.arrow"); });
  expect_error(ErrorCode::kUnsupported, part,
               [] { (void)table(TableFormat::kParquet, kTexts, {}); });
}

TEST(TableNames, ATableIsKnownByHowItBegins) {
  EXPECT_TRUE(looks_like_table("PAR1...PAR1"));
  EXPECT_FALSE(looks_like_table("PAR1 is how it begins"));
  EXPECT_TRUE(looks_like_table("ARROW1\0\0..."s));
  EXPECT_FALSE(looks_like_table("ARROW1 and more"));
  EXPECT_TRUE(looks_like_table("\xff\xff\xff\xff\x10"));
}

TEST_F(Tables, GiveBackTheRows) {
  for (const TableFormat format : kFormats) {
    const std::string bytes =
        table(format, kTexts,
              {R"({"id":1,"text":"Où ?","text_pair":"a\tb\nc"})", R"({"id":2,"text":""})",
               R"({"text":"\u0000","id":3,"text_pair":null})"});
    EXPECT_TRUE(looks_like_table(bytes));
    const auto rows = read(bytes);
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].text, "Où ?");
    EXPECT_EQ(rows[0].text_pair, "a\tb\nc");
    EXPECT_EQ(rows[1].text, "");
    EXPECT_EQ(rows[1].text_pair, std::nullopt);
    EXPECT_EQ(rows[2].text, "\0"s);
    EXPECT_EQ(rows[2].line, 3);
    EXPECT_TRUE(read(table(format, kTexts, {})).empty());
  }
}

TEST_F(Tables, HaveTheListsAndStructsOfJsonLines) {
  const TableColumn text = column("", ColumnKind::kText);
  const TableSchema schema =
      json({column("question", ColumnKind::kText), column("context", ColumnKind::kText),
            column("answers", ColumnKind::kStruct,
                   {column("text", ColumnKind::kList, {text}),
                    column("answer_start", ColumnKind::kList, {column("", ColumnKind::kInt32)})}),
            column("tokens", ColumnKind::kList, {text}), column("tags", ColumnKind::kList, {text}),
            column("label", ColumnKind::kInt64), column("score", ColumnKind::kFloat32)});
  for (const TableFormat format : kFormats) {
    const auto rows = read(
        table(format, schema,
              {R"({"question":"q","context":"c d","answers":{"text":["d"],"answer_start":[2]}})",
               R"({"tokens":["a","b"],"tags":["O","B-X"],"label":7,"score":0.1})"}));
    ASSERT_EQ(rows.size(), 2U);
    ASSERT_EQ(rows[0].answers.size(), 1U);
    EXPECT_EQ(rows[0].answers[0].start, 2);
    EXPECT_FALSE(rows[0].has_entities);
    EXPECT_EQ(rows[1].tokens, (Rows{"a", "b"}));
    EXPECT_EQ(rows[1].tags, (Rows{"O", "B-X"}));
    EXPECT_EQ(rows[1].label, "7");
    EXPECT_EQ(rows[1].score, 0.1);  // the digits of the float32
  }
}

TEST_F(Tables, NameTheRowAndColumnThatCannotBeRead) {
  for (const TableFormat format : kFormats) {
    const std::string null = table(format, kTexts, {R"({"text":"a"})", R"({"id":2})"});
    expect_error(ErrorCode::kCorruptData, "x.parquet:2: text is null", [&] { (void)read(null); });
    const auto of = [&](TableColumn own) {
      return table(format, json({std::move(own)}), {R"({})"});
    };
    expect_error(ErrorCode::kCorruptData, "has the columns \"title\"; accepted are text (with",
                 [&] { (void)read(of(column("title", ColumnKind::kText))); });
    expect_error(ErrorCode::kCorruptData,
                 "the column text is of int64; accepted are string, large_string, string_view",
                 [&] { (void)read(of(column("text", ColumnKind::kInt64))); });
    expect_error(ErrorCode::kCorruptData, "the column text is of list<", [&] {
      (void)read(of(column("text", ColumnKind::kList, {column("", ColumnKind::kText)})));
    });
    const TableColumn text = column("text", ColumnKind::kText);
    expect_error(ErrorCode::kCorruptData, "has the column text twice", [&] {
      (void)read(table(format, json({text, text}), {}));
    });
  }
}

TEST_F(Tables, OfManyGroupsAreReadInOrder) {
  Rows rows;
  for (int i = 0; i < kTableGroupRows + 5000; ++i) rows.push_back(cat("{\"text\":\"t", i, "\"}"));
  for (const TableFormat format : kFormats) {
    const std::string bytes = table(format, kTexts, rows);
    EXPECT_EQ(bytes, table(format, kTexts, rows));
    TextReader reader(bytes, TextFormat::kTable, "x");
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto row = reader.next();
      ASSERT_TRUE(row);
      ASSERT_EQ(*row->text, cat("t", i));
    }
    EXPECT_FALSE(reader.next());
  }
}

TEST_F(Tables, TakeVectorsAsTheyLieInMemory) {
  const TableSchema schema{
      {column("embedding", ColumnKind::kVector, {column("", ColumnKind::kFloat32)}, 3),
       column("truncated", ColumnKind::kBool)},
      RowEncoding::kRaw};
  ASSERT_EQ(raw_row_bytes(schema), 13);
  const float values[] = {1, -2, 0.5};
  std::string row(13, '\0');
  std::memcpy(row.data(), values, sizeof(values));
  row[12] = 1;
  for (const TableFormat format : kFormats) {
    const std::string bytes = table(format, schema, {row, row});
    EXPECT_NE(bytes.find(row.substr(0, 12)), bytes.npos);
    expect_error(ErrorCode::kCorruptData, "has the columns \"embedding, truncated\"",
                 [&] { (void)read(bytes); });
  }
}

TEST_F(Tables, WhatTheReceiverThrowsComesThrough) {
  for (const TableFormat format : kFormats) {
    expect_error(ErrorCode::kUnavailable, "no room", [&] {
      const auto writer = make_table_writer(
          format, kTexts, "x", [](std::string_view) { fail(ErrorCode::kUnavailable, "no room"); });
      writer->append(R"({"text":"a"})");
      writer->finish();
    });
  }
}

TEST_F(Tables, OtherFilesAreRefusedByName) {
  for (const std::string& other : {""s, "{}"s, "PK\x03\x04"s, std::string(100, '\0')}) {
    expect_error(ErrorCode::kCorruptData, "x.parquet: is neither a Parquet file nor an Arrow",
                 [&] { (void)read(other); });
  }
  expect_error(ErrorCode::kUnsupported, "Feather version 1", [] { (void)read("FEA1..FEA1"); });
  expect_error(ErrorCode::kUnsupported, "encrypted", [] { (void)read("PARE..PARE"); });
}

// Rows or an Error: never a crash, and no memory for what is only claimed.
bool reads(const std::string& bytes) {
  try {
    (void)read(bytes);
    return true;
  } catch (const Error& error) {
    EXPECT_TRUE(error.code() == ErrorCode::kCorruptData ||
                error.code() == ErrorCode::kUnsupported || error.code() == ErrorCode::kOutOfMemory)
        << error.what();
    return false;
  }
}

std::string small_table(TableFormat format) {
  Rows rows;
  for (int i = 0; i < 20; ++i) rows.push_back(cat(R"({"id":1,"text":"row )", i, "\"}"));
  return table(format, kTexts, rows);
}

TEST_F(Tables, CutOffAnywhereAreCorrupt) {
  for (const TableFormat format : kFormats) {
    const std::string whole = small_table(format);
    for (size_t size = 0; size < whole.size(); ++size) {
      // A stream may end behind any of its batches.
      const bool read = reads(whole.substr(0, size));
      EXPECT_FALSE(read && format != TableFormat::kArrowStream) << size;
    }
  }
}

TEST_F(Tables, WithBytesChangedAreReadOrRefused) {
  std::mt19937 random(7);
  for (const TableFormat format : kFormats) {
    const std::string whole = small_table(format);
    for (int i = 0; i < 1500; ++i) {
      std::string changed = whole;
      for (int flips = 1 + i % 4; flips > 0; --flips) {
        changed[random() % changed.size()] = static_cast<char>(random());
      }
      (void)reads(changed);
    }
  }
}

TEST_F(Tables, SizesThatAreOnlyClaimedTakeNoMemory) {
  for (const TableFormat format : kFormats) {
    const std::string whole = small_table(format);
    for (size_t at = 4; at + 4 <= whole.size(); at += 3) {
      std::string changed = whole;
      std::memcpy(changed.data() + at, "\xff\xff\xff\x7f", 4);
      (void)reads(changed);
    }
  }
}

// Schemas of Parquet nested 100,000 deep, in Thrift's compact protocol.
TEST_F(Tables, SchemasNestedTooDeepAreRefused) {
  const std::string inner = "\x35\x00\x18\x01"s + "a" + "\x15\x02\x00"s;
  std::string footer = "\x15\x02\x19\xfc\xa0\x8d\x06"s;
  for (int i = 0; i < 99'999; ++i) footer += inner;
  footer += "\x15\x0c\x25\x00\x18\x01"s + "a" + "\x00\x16\x00\x19\x0c\x00"s;
  const auto size = static_cast<uint32_t>(footer.size());
  std::string length(4, '\0');
  std::memcpy(length.data(), &size, 4);
  expect_error(ErrorCode::kCorruptData, "nested",
               [&] { (void)read("PAR1" + footer + length + "PAR1"); });
}

}  // namespace
}  // namespace tamis
