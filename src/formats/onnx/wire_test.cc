#include "formats/onnx/wire.h"

#include <gtest/gtest.h>

#include "formats/test_util.h"

namespace tamis::onnx {
namespace {

const Where kFile = {nullptr, "file.onnx"};

std::vector<WireField> fields_of(std::string_view bytes) {
  WireReader reader(as_bytes(bytes), kFile);
  std::vector<WireField> fields;
  while (const auto field = reader.next()) fields.push_back(*field);
  return fields;
}

void expect_corrupt(std::string_view bytes, std::string_view part) {
  expect_error(ErrorCode::kCorruptData, part, [&] { (void)fields_of(bytes); });
}

TEST(WireReader, ReadsEveryWireType) {
  const std::string bytes = std::string("\x08\x96\x01", 3) + "\x12\x03" + "abc" + "\x1d" +
                            little_endian(1.5f) + "\x21" + little_endian(int64_t{7});
  const auto fields = fields_of(bytes);
  ASSERT_EQ(fields.size(), 4u);
  EXPECT_EQ(fields[0].value, 150u);
  EXPECT_EQ(fields[1].bytes.size(), 3u);
  WireReader reader({}, kFile);
  EXPECT_EQ(reader.number(fields[2], "f"), 1.5f);
  EXPECT_EQ(fields[3].value, 7u);
  EXPECT_EQ(fields[3].offset, 13u);
}

TEST(WireReader, TakesTheWidestNumberAndNoWider) {
  const std::string nine(9, '\xff');
  EXPECT_EQ(fields_of("\x08" + nine + "\x01")[0].value, UINT64_MAX);
  expect_corrupt("\x08" + nine + "\x02", "over 64 bits");
  expect_corrupt("\x08" + nine + "\xff\x01", "over 64 bits");
}

TEST(WireReader, RefusesWhatTheFormatHasNot) {
  expect_corrupt("\x08", "byte 1: a number that is cut off");
  expect_corrupt("\x08\x80", "cut off");
  expect_corrupt("\x1d\x01\x02", "cut off");
  expect_corrupt("\x12\x05\x61", "field 2 of 5 bytes, but 1 are left");
  expect_corrupt(std::string("\x00\x01", 2), "field number 0");
  expect_corrupt("\x0b", "field 1 has wire type 3");
  expect_corrupt("version", "not an ONNX file");
  expect_corrupt("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "bytes, but 0 are left");
}

TEST(WireReader, RefusesAFieldOfAnotherType) {
  WireReader reader({}, kFile);
  const auto fields = fields_of("\x08\x01\x12\x02\x80\x80");
  expect_error(ErrorCode::kCorruptData, "byte 0: name has wire type 0, not 2",
               [&] { (void)reader.text(fields[0], "name"); });
  std::vector<int64_t> values;
  expect_error(ErrorCode::kCorruptData, "dims: a number that is cut off",
               [&] { reader.integers(fields[1], "dims", values); });
  std::vector<std::byte> bytes;
  expect_error(ErrorCode::kCorruptData, "2 bytes are no whole number",
               [&] { reader.fixed(fields[1], "floats", 4, bytes); });
}

TEST(WireWriter, WritesWhatTheReaderReads) {
  const std::string large(1000, 'x');
  WireWriter child;
  child.text(1, "inner");
  child.borrow(2, as_bytes(large));
  child.integer(3, -1);
  WireWriter out;
  out.message(5, std::move(child));
  out.packed(6, std::vector<int64_t>{1, 300, -5});
  out.number(7, 0.25f);
  const std::string bytes = out.joined();
  EXPECT_EQ(bytes.size(), out.size());
  const auto fields = fields_of(bytes);
  ASSERT_EQ(fields.size(), 3u);
  WireReader reader({}, kFile);
  const auto inner = fields_of(reader.text(fields[0], "child"));
  ASSERT_EQ(inner.size(), 3u);
  EXPECT_EQ(reader.integer(inner[2], "i"), -1);
  std::vector<int64_t> values;
  reader.integers(fields[1], "ints", values);
  EXPECT_EQ(values, (std::vector<int64_t>{1, 300, -5}));
  EXPECT_EQ(reader.number(fields[2], "f"), 0.25f);
}

}  // namespace
}  // namespace tamis::onnx
