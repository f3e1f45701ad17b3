#include "base/files/staged_folder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace tamis {
namespace {

namespace fs = std::filesystem;

class StagedFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "tamis-stage-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  [[nodiscard]] size_t entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }
  void make(const std::string& name, std::chrono::hours age) const {
    fs::create_directory(folder_ / name);
    write_file(folder_ / name / "x", name);
    const auto then = fs::file_time_type::clock::now() - age;
    fs::last_write_time(folder_ / name / "x", then);
    fs::last_write_time(folder_ / name, then);
  }
  fs::path folder_;
};

constexpr std::chrono::hours kOld{25};
constexpr std::chrono::hours kNew{23};

TEST_F(StagedFolderTest, AppearsWholeOrNotAtAll) {
  {
    const StagedFolder staged(folder_ / "out", false);
    write_file(staged.path() / "x", "1");
  }
  EXPECT_EQ(entries(), 0u);
  {
    StagedFolder staged(folder_ / "out", false);
    write_file(staged.path() / "x", "1");
    EXPECT_FALSE(fs::exists(folder_ / "out"));
    staged.commit();
  }
  EXPECT_EQ(read_file(folder_ / "out" / "x"), "1");
  EXPECT_EQ(entries(), 1u);
  EXPECT_THROW(StagedFolder(folder_ / "out", false), Error);
  {
    StagedFolder staged(folder_ / "out/", true);
    write_file(staged.path() / "y", "2");
    staged.commit();
    EXPECT_EQ(entries(), 1u) << "the old folder goes with the exchange";
  }
  EXPECT_FALSE(fs::exists(folder_ / "out" / "x"));
  EXPECT_EQ(read_file(folder_ / "out" / "y"), "2");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(StagedFolderTest, DoesNotReplaceWhatCameMeanwhile) {
  StagedFolder staged(folder_ / "out", false);
  make("out", kNew);
  EXPECT_THROW(staged.commit(), Error);
  EXPECT_EQ(read_file(folder_ / "out" / "x"), "out");
  fs::remove_all(folder_ / "out");
  write_file(folder_ / "out", "a file");
  EXPECT_THROW(staged.commit(), Error);
  EXPECT_EQ(read_file(folder_ / "out"), "a file");
}

TEST_F(StagedFolderTest, ALinkStandsForItsFolder) {
  make("v1", kNew);
  fs::create_directory_symlink("v1", folder_ / "current");
  StagedFolder staged(folder_ / "current", true);
  write_file(staged.path() / "y", "2");
  staged.commit();
  EXPECT_TRUE(fs::is_symlink(folder_ / "current"));
  EXPECT_EQ(read_file(folder_ / "v1" / "y"), "2");
  EXPECT_EQ(entries(), 2u);
}

TEST_F(StagedFolderTest, RemovesAbandonedStagesOfItsOwnDestination) {
  for (const char* name : {"out.tmp-aaaaa1", "out.tmp-aaaaa2.old"}) make(name, kOld);
  make("out.tmp-bbbbb1", kNew);     // may still be wanted by whoever looks into the kill
  make("out2.tmp-ccccc1", kOld);    // another destination's
  make("out.tmp-notastage", kOld);  // no stage's name
  make("out.tmp-ddddd1", kOld);     // locked, below
  make("out.tmp-eeeee1", kOld);     // no stage: it holds a folder
  fs::create_directory(folder_ / "out.tmp-eeeee1" / "inner");
  fs::last_write_time(folder_ / "out.tmp-eeeee1", fs::file_time_type::clock::now() - kOld);
  make("out", kNew);
  const int held = ::open((folder_ / "out.tmp-ddddd1").c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(::flock(held, LOCK_EX | LOCK_NB), 0);
  { const StagedFolder staged(folder_ / "out", true); }
  ::close(held);
  EXPECT_FALSE(fs::exists(folder_ / "out.tmp-aaaaa1"));
  EXPECT_FALSE(fs::exists(folder_ / "out.tmp-aaaaa2.old"));
  EXPECT_EQ(entries(), 6u);
}

TEST_F(StagedFolderTest, PutsBackWhatAKilledWriterMovedAside) {
  make("a.tmp-aaaaa1.old", kOld);
  make("a.tmp-aaaaa1", kNew);
  EXPECT_EQ(settled_folder(folder_ / "a"), folder_ / "a");
  EXPECT_EQ(read_file(folder_ / "a" / "x"), "a.tmp-aaaaa1.old");
  make("b.tmp-bbbbb1.old", kNew);
  settle_inside(folder_);
  EXPECT_EQ(read_file(folder_ / "b" / "x"), "b.tmp-bbbbb1.old");
  EXPECT_EQ(settled_folder(folder_ / "c"), folder_ / "c");
  // Where the destination is, nothing is put back.
  make("a.tmp-aaaaa2.old", kNew);
  EXPECT_EQ(settled_folder(folder_ / "a"), folder_ / "a");
  EXPECT_TRUE(fs::exists(folder_ / "a.tmp-aaaaa2.old"));
}

TEST_F(StagedFolderTest, ReadsWhatWasMovedAsideWhereNothingCanBeRenamed) {
  if (::geteuid() == 0) GTEST_SKIP() << "root renames in folders that are not writable";
  make("a.tmp-aaaaa1.old", kOld);
  fs::permissions(folder_, fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_EQ(settled_folder(folder_ / "a"), folder_ / "a.tmp-aaaaa1.old");
  fs::permissions(folder_, fs::perms::owner_all);
}

TEST_F(StagedFolderTest, KnowsTheNamesOfStages) {
  for (const char* name : {"m.tmp-a1B2c3", "m.tamis.tmp-aaaaaa.old", ".tmp-aaaaaa"}) {
    EXPECT_EQ(is_stage_name(name), name[0] != '.') << name;
  }
  for (const char* name :
       {"m", "m.tmp-", "m.tmp-aaaaa", "m.tmp-aaaaa-", "m.old", "m.tmp-aaaaaaa"}) {
    EXPECT_FALSE(is_stage_name(name)) << name;
  }
}

TEST_F(StagedFolderTest, EndsWithItsProcess) {
  const auto in_child = [&](auto&& end) {
    const pid_t child = ::fork();
    if (child == 0) {
      auto* staged = new StagedFolder(folder_ / "out", false);
      write_file(staged->path() / "x", "1");
      fs::create_directories(staged->path() / "models/1");
      write_file(staged->path() / "models/1/x", "1");
      end();
      ::_exit(1);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
  };
  in_child([] { remove_stages(); });
  EXPECT_EQ(entries(), 0u) << "by a signal's handler";
  in_child([] { std::exit(0); });
  EXPECT_EQ(entries(), 0u) << "by exit()";
}

}  // namespace
}  // namespace tamis
