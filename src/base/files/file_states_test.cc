#include "base/files/file_states.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"

namespace tamis {
namespace {

namespace fs = std::filesystem;

class FileStatesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "tamis-states-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    fs::create_directory(folder_ / "1_Pooling");
    for (const char* name : {"config.json", "model.safetensors", "1_Pooling/config.json"}) {
      write_file(folder_ / name, "before");
    }
    write_file(folder_ / "README.md", "before");
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(FileStatesTest, NoticesWritingReplacingAndRemoving) {
  const FileStates same(folder_);
  EXPECT_EQ(same.changed(), std::nullopt);
  write_file(folder_ / "README.md", "no part of a model");
  write_file(folder_ / "tokenizer.json", "came later");
  EXPECT_EQ(same.changed(), std::nullopt);

  write_file(folder_ / "config.json", "longer than before");
  EXPECT_EQ(same.changed(), folder_ / "config.json");

  const FileStates inner(folder_);
  write_file(folder_ / "new", "before");
  fs::rename(folder_ / "new", folder_ / "1_Pooling/config.json");
  EXPECT_EQ(inner.changed(), folder_ / "1_Pooling/config.json");

  const FileStates removed(folder_);
  fs::remove(folder_ / "model.safetensors");
  EXPECT_EQ(removed.changed(), folder_ / "model.safetensors");
}

TEST_F(FileStatesTest, NoticesAnotherFolderUnderTheSameName) {
  const FileStates states(folder_);
  const fs::path other = folder_.string() + "-other";
  fs::copy(folder_, other, fs::copy_options::recursive);
  const fs::path aside = folder_.string() + "-aside";
  fs::rename(folder_, aside);
  fs::rename(other, folder_);
  EXPECT_NE(states.changed(), std::nullopt);
  fs::remove_all(aside);
}

TEST_F(FileStatesTest, TakesAFileAlone) {
  const FileStates states(folder_ / "README.md");
  EXPECT_EQ(states.changed(), std::nullopt);
  write_file(folder_ / "README.md", "other words");
  EXPECT_EQ(states.changed(), folder_ / "README.md");
  EXPECT_EQ(FileStates(folder_ / "none").changed(), std::nullopt);
}

}  // namespace
}  // namespace tamis
