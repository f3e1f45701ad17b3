#include "formats/pytorch/zip.h"

#include "formats/pytorch/zip_test_util.h"
#include "formats/test_util.h"

namespace tamis {
namespace {

std::string read_entry(const std::string& archive, std::string_view name) {
  ZipReader zip(as_bytes(archive), "x.zip", nullptr);
  const ZipEntry* entry = zip.find(name);
  if (entry == nullptr) return "absent";
  const ZipData data = zip.read(*entry);
  return std::string(reinterpret_cast<const char*>(data.bytes.data()), data.bytes.size());
}

TEST(Zip, ReadsStoredAndDeflated) {
  const std::string text(5000, 'x');
  const std::string archive = zip_bytes(
      {{"b/two", "second"}, {"a", text, 8, 0, deflated(text)}, {"empty", "", 8, 0, deflated("")}},
      "a comment");
  EXPECT_EQ(read_entry(archive, "b/two"), "second");
  EXPECT_EQ(read_entry(archive, "a"), text);
  EXPECT_EQ(read_entry(archive, "empty"), "");
  EXPECT_EQ(read_entry(archive, "b"), "absent");
  ZipReader zip(as_bytes(archive), "x.zip", nullptr);
  ASSERT_EQ(zip.entries().size(), 3u);
  EXPECT_EQ(zip.entries()[0].name, "a");
}

TEST(Zip, ReadsAnEmptyArchive) {
  const std::string archive = zip_bytes({});
  EXPECT_EQ(ZipReader(as_bytes(archive), "x", nullptr).entries().size(), 0u);
}

TEST(Zip, ReadsZip64) {
  // The sizes of the entry stand in its extra field, those of the directory in the zip64 record.
  std::string extra =
      little_endian(uint16_t{1}) + little_endian(uint16_t{8}) + little_endian(uint64_t{4});
  std::string archive =
      zip_bytes({{"big", "data", 0, 0, {}, 0xffffffffu, extra}, {"small", "other"}});
  EXPECT_EQ(read_entry(archive, "big"), "data");
  const std::string end = archive.substr(archive.size() - 22);
  archive.resize(archive.size() - 22);
  uint32_t bytes = 0;
  uint32_t offset = 0;
  std::memcpy(&bytes, end.data() + 12, 4);
  std::memcpy(&offset, end.data() + 16, 4);
  const uint64_t record = archive.size();
  archive += "PK\x06\x06" + little_endian(uint64_t{44}) + std::string(12, '\0') +
             little_endian(uint64_t{2}) + little_endian(uint64_t{2}) +
             little_endian(uint64_t{bytes}) + little_endian(uint64_t{offset});
  archive +=
      "PK\x06\x07" + std::string(4, '\0') + little_endian(record) + little_endian(uint32_t{1});
  archive += "PK\x05\x06" + std::string(4, '\xff') + std::string(12, '\xff') + std::string(2, '\0');
  EXPECT_EQ(read_entry(archive, "big"), "data");
  EXPECT_EQ(read_entry(archive, "small"), "other");
  std::memcpy(archive.data() + archive.size() - 22 - 12, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
  expect_error(ErrorCode::kCorruptData, "zip64 end record at offset 18446744073709551615",
               [&] { (void)read_entry(archive, "big"); });
}

TEST(Zip, NamesWhatIsWrong) {
  const std::string good = zip_bytes({{"a", "contents"}});
  const auto expect = [](const std::string& archive, ErrorCode code, std::string_view message) {
    SCOPED_TRACE(message);
    expect_error(code, message, [&] { (void)read_entry(archive, "a"); });
  };
  expect("", ErrorCode::kCorruptData, "x.zip: no end record of a zip archive");
  expect(good.substr(0, good.size() - 1), ErrorCode::kCorruptData, "no end record");
  expect(zip_bytes({{"a", "x"}, {"a", "y"}}), ErrorCode::kCorruptData,
         "zip entry \"a\" is there twice");
  expect(zip_bytes({{"a", "x", 0, 1}}), ErrorCode::kUnsupported, "is encrypted");
  expect(zip_bytes({{"a", "x", 12}}), ErrorCode::kUnsupported, "packed with method 12");
  expect(zip_bytes({{"a", "x", 0, 0, "xyz"}}), ErrorCode::kCorruptData, "with two sizes, 3 and 1");
  expect(zip_bytes({{"a", "x", 8, 0, "\xff\xff"}}), ErrorCode::kCorruptData,
         "does not unpack to its size and checksum");
  expect(zip_bytes({{"a", "xy", 8, 0, deflated("xz")}}), ErrorCode::kCorruptData, "checksum");
  expect(zip_bytes({{"a", "x", 8, 0, deflated(std::string(100, 'x'))}}), ErrorCode::kCorruptData,
         "does not unpack");
  expect(zip_bytes({{"a", "x", 8, 0, deflated("x"), 0xfffffff0u}}), ErrorCode::kCorruptData,
         "unpacks to 4294967280 bytes; at most 16 times");
  std::string moved = good;
  moved[good.size() - 6] = '\x01';  // the directory's offset
  expect(moved, ErrorCode::kCorruptData, "is not there");
  moved = good;
  moved[good.size() - 3] = '\x7f';
  expect(moved, ErrorCode::kCorruptData, "ends past the file's");
  std::string no_local = good;
  no_local[0] = 'Q';
  expect(no_local, ErrorCode::kCorruptData, "no local header at offset 0");
}

TEST(Zip, InflatesOnlySoMuchInAll) {
  // Each entry alone is under the limit of 16 times the file and 1 MiB; both together are over it.
  const std::string text(900'000, 'x');
  const std::string packed = deflated(text);
  const std::string archive = zip_bytes({{"a", text, 8, 0, packed}, {"b", text, 8, 0, packed}});
  ZipReader zip(as_bytes(archive), "x.zip", nullptr);
  EXPECT_EQ(zip.read(*zip.find("a")).bytes.size(), text.size());
  expect_error(ErrorCode::kCorruptData, "\"b\" unpacks to 900000 bytes",
               [&] { (void)zip.read(*zip.find("b")); });
}

TEST(Zip, EveryTruncationIsAnError) {
  const std::string whole = zip_bytes({{"a", "contents"}, {"b", "more"}});
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THROW((void)read_entry(whole.substr(0, length), "a"), Error) << length;
  }
}

}  // namespace
}  // namespace tamis
