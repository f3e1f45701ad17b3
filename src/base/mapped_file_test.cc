#include "base/mapped_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/private_copy.h"

namespace tamis {
namespace {

namespace fs = std::filesystem;

class MappedFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "tamis-map-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  [[nodiscard]] size_t entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }
  fs::path folder_;
};

// Over the size from which a copy lies on disk, and no multiple of a page.
constexpr size_t kLarge = (size_t{3} << 20) + 17;

std::string_view text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST_F(MappedFileTest, KeepsItsContentsWhateverHappensToTheFile) {
  for (const size_t size : {size_t{1}, size_t{5000}, kLarge}) {
    const std::string before(size, 'a');
    write_file(folder_ / "shortened", before);
    write_file(folder_ / "overwritten", before);
    write_file(folder_ / "removed", before);
    const auto shortened = MappedFile::open(folder_ / "shortened");
    const auto overwritten = MappedFile::open(folder_ / "overwritten");
    const auto removed = MappedFile::open(folder_ / "removed");
    fs::resize_file(folder_ / "shortened", 0);
    // In place, as cp does; write_file() would do too.
    const int fd = ::open((folder_ / "overwritten").c_str(), O_WRONLY);
    ASSERT_EQ(::pwrite(fd, "b", 1, static_cast<off_t>(size) - 1), 1);
    ::close(fd);
    fs::remove(folder_ / "removed");
    for (const auto& file : {shortened, overwritten, removed}) {
      EXPECT_EQ(text_of(*file), before) << file->path();
    }
    EXPECT_EQ(entries(), 2u) << "the copies have no names";
    fs::remove(folder_ / "shortened");
    fs::remove(folder_ / "overwritten");
  }
}

TEST_F(MappedFileTest, PagesGivenBackAreReadFromTheCopy) {
  write_file(folder_ / "a", std::string(kLarge, 'a'));
  const auto file = MappedFile::open(folder_ / "a");
  EXPECT_EQ(text_of(*file)[kLarge / 2], 'a');
  fs::resize_file(folder_ / "a", 1);
  ASSERT_TRUE(is_mapped_file(file));
  release_pages(file->bytes());
  EXPECT_EQ(text_of(*file), std::string(kLarge, 'a'));
}

TEST_F(MappedFileTest, ASliceLetsGoOfItsOwnBytesOnly) {
  write_file(folder_ / "a", std::string(kLarge, 'a'));
  const auto file = MappedFile::open(folder_ / "a");
  auto slice = keep_slice(file, file->bytes().subspan(4096 + 100, size_t{1} << 20));
  EXPECT_TRUE(is_mapped_file(slice));
  auto copy = slice;
  slice.reset();
  EXPECT_EQ(text_of(*file), std::string(kLarge, 'a'));
  copy.reset();
  const std::string_view text = text_of(*file);
  // Pages that lie inside are gone, those at its borders are whole.
  EXPECT_EQ(text.substr(0, 2 * 4096), std::string(2 * 4096, 'a'));
  EXPECT_EQ(text[4096 + 100 + (size_t{1} << 20)], 'a');
  EXPECT_EQ(text.back(), 'a');
  const std::shared_ptr<const void> other = std::make_shared<int>(1);
  EXPECT_EQ(keep_slice(other, file->bytes()), other);
}

TEST_F(MappedFileTest, TakesMemoryWhereNoDiskDoes) {
  const std::string before(kLarge, 'x');
  write_file(folder_ / "a", before);
  const int fd = ::open((folder_ / "a").c_str(), O_RDONLY);
  const std::array<fs::path, 3> useless = {"", folder_ / "none", "/dev/shm"};
  const PrivateCopy copy = copy_privately(fd, folder_ / "a", {folder_ / "none", useless});
  ::close(fd);
  EXPECT_FALSE(copy.file);
  ASSERT_EQ(copy.size, kLarge);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(copy.data), copy.size), before);
  ::munmap(const_cast<std::byte*>(copy.data), copy.size);
}

// A file over the limit of `ulimit -f` would end the process by SIGXFSZ.
TEST_F(MappedFileTest, RespectsTheLimitOfFileSizes) {
  write_file(folder_ / "a", std::string(kLarge, 'a'));
  rlimit before = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small = {4096, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto file = MappedFile::open(folder_ / "a");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(text_of(*file), std::string(kLarge, 'a'));
  EXPECT_FALSE(is_mapped_file(file));
  auto slice = keep_slice(file, file->bytes().first(kLarge / 2));
  EXPECT_FALSE(is_mapped_file(slice));
  slice.reset();
  EXPECT_EQ(text_of(*file).back(), 'a');
}

// A writer that never rests: what is opened is one of its states, or an error that names the file.
TEST_F(MappedFileTest, NeverMixesTwoStates) {
  const fs::path path = folder_ / "a";
  write_file(path, std::string(kLarge, 'a'));
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (char c = 'a'; !stop; c = c == 'z' ? 'a' : static_cast<char>(c + 1)) {
      write_file(path, std::string(kLarge, c));
    }
  });
  int opened = 0;
  for (int i = 0; i < 50; ++i) {
    try {
      const auto file = MappedFile::open(path);
      const std::string_view text = text_of(*file);
      EXPECT_TRUE(text.empty() || text == std::string(text.size(), text[0]));
      ++opened;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
      EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos);
    }
  }
  stop = true;
  writer.join();
  EXPECT_EQ(text_of(*MappedFile::open(path)).size(), kLarge) << opened;
}

}  // namespace
}  // namespace tamis
