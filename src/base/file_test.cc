#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "base/error.h"
#include "base/mapped_file.h"

namespace tamis {
namespace {

namespace fs = std::filesystem;

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "tamis-file-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(FileTest, ReadsAndMapsWhatWasWritten) {
  write_file(folder_ / "a", "hello");
  EXPECT_EQ(read_file(folder_ / "a"), "hello");
  const auto map = MappedFile::open(folder_ / "a");
  EXPECT_EQ(map->bytes().size(), 5u);
  EXPECT_EQ(static_cast<char>(map->bytes()[4]), 'o');
  write_file(folder_ / "empty", "");
  EXPECT_TRUE(MappedFile::open(folder_ / "empty")->bytes().empty());
}

TEST_F(FileTest, NamesWhatIsWrong) {
  const auto code = [](auto&& call) {
    try {
      call();
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kInternal;
  };
  EXPECT_EQ(code([&] { (void)read_file(folder_ / "none"); }), ErrorCode::kNotFound);
  EXPECT_EQ(code([&] { (void)MappedFile::open(folder_); }), ErrorCode::kInvalidArgument);
  write_file(folder_ / "big", "12345");
  EXPECT_EQ(code([&] { (void)read_file(folder_ / "big", 4); }), ErrorCode::kCorruptData);
  EXPECT_EQ(code([&] { write_file(folder_ / "no" / "such", "x"); }), ErrorCode::kUnavailable);
  EXPECT_EQ(code([&] { write_file("/dev/full", "x"); }), ErrorCode::kUnavailable);
  EXPECT_TRUE(fs::exists("/dev/full"));
}

TEST_F(FileTest, AFileThatIsAPipeIsNamedAndNotPassedOver) {
  EXPECT_FALSE(file_exists(folder_ / "none"));
  EXPECT_FALSE(file_exists(folder_));
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  try {
    (void)file_exists(folder_ / "pipe");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("pipe: not a regular file"), std::string::npos);
  }
}

TEST_F(FileTest, NamesThatLeaveTheFolderAreRefused) {
  EXPECT_EQ(path_inside("m", "1_Pooling/config.json", "modules.json"),
            fs::path("m/1_Pooling/config.json"));
  for (const char* name : {"", "/etc/passwd", "../x", "a/../../x"}) {
    EXPECT_THROW((void)path_inside("m", name, "modules.json"), Error) << name;
  }
}

}  // namespace
}  // namespace tamis
