// A writer of a staged folder, killed before and after each of its system calls.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/file.h"
#include "base/files/staged_folder.h"

#if defined(__x86_64__)

namespace tamis {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNames[] = {"graph.txt", "model.safetensors", "tamis.json"};
// A writer makes about 70 stops; without an end something waits for what cannot come.
constexpr int kMostStops = 2000;

void write_bundle(const fs::path& destination, const std::string& contents) {
  StagedFolder staged(destination, true);
  for (const char* name : kNames) write_file(staged.path() / name, contents);
  staged.commit();
}

// The one state that all files of the folder have, "" if there is no folder, "?" for a mixture.
std::string state_of(const fs::path& folder) {
  if (!fs::exists(folder)) return "";
  std::string state;
  for (const char* name : kNames) {
    if (!file_exists(folder / name)) return "?";
    const std::string contents = read_file(folder / name);
    if (!state.empty() && contents != state) return "?";
    state = contents;
  }
  return state;
}

/// A child under ptrace that replaces the folder.
class TracedWriter {
 public:
  explicit TracedWriter(const fs::path& destination) : child_(::fork()) {
    if (child_ != 0) return;
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(77);
    ::raise(SIGSTOP);
    write_bundle(destination, "new");
    ::_exit(0);
  }
  ~TracedWriter() {
    if (ended_) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  TracedWriter(const TracedWriter&) = delete;
  TracedWriter& operator=(const TracedWriter&) = delete;

  /// On to the next entry or exit of a system call; false if the child has ended.
  bool step() {
    if (started_) ::ptrace(PTRACE_SYSCALL, child_, nullptr, nullptr);
    int status = 0;
    ::waitpid(child_, &status, 0);
    if (!started_ && WIFSTOPPED(status)) {
      ::ptrace(PTRACE_SETOPTIONS, child_, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    }
    started_ = true;
    ended_ = WIFEXITED(status) || WIFSIGNALED(status);
    if (ended_) exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return !ended_;
  }
  [[nodiscard]] int exit_code() const { return exit_; }

  /// Makes renameat2's flags unknown, as on file systems that have none of them.
  void refuse_flags() {
    user_regs_struct registers = {};
    ::ptrace(PTRACE_GETREGS, child_, nullptr, &registers);
    const bool entry = static_cast<long long>(registers.rax) == -ENOSYS;
    if (registers.orig_rax == SYS_renameat2 && entry && registers.r8 != 0) {
      registers.r8 = 1U << 30;
      ::ptrace(PTRACE_SETREGS, child_, nullptr, &registers);
    }
  }

 private:
  pid_t child_;
  bool started_ = false;
  bool ended_ = false;
  int exit_ = -1;
};

class StagedFolderKillTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    // Hundreds of writers, each of which waits for the disk several times: memory has no wait.
    const fs::path shared = "/dev/shm";
    const bool fast = ::access(shared.c_str(), W_OK) == 0;
    std::string pattern =
        ((fast ? shared : fs::temp_directory_path()) / "tamis-kill-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_P(StagedFolderKillTest, LeavesTheOldOrTheNew) {
  const bool flags = GetParam();
  int old = 0;
  int recovered = 0;
  int replaced = 0;
  for (int stops = 1;; ++stops) {
    ASSERT_LT(stops, kMostStops);
    const fs::path folder = folder_ / std::to_string(stops);
    fs::create_directory(folder);
    const fs::path destination = folder / "out";
    write_bundle(destination, "old");
    int exit = -1;
    {
      TracedWriter writer(destination);
      bool alive = true;
      for (int i = 0; alive && i < stops; ++i) {
        alive = writer.step();
        if (alive && !flags) writer.refuse_flags();
      }
      if (!alive) exit = writer.exit_code();
    }
    if (exit == 77) GTEST_SKIP() << "this process may not trace its child";
    const std::string at_once = state_of(destination);
    ASSERT_FALSE(flags && at_once.empty()) << "no folder after " << stops << " stops";
    recovered += at_once.empty() ? 1 : 0;
    const std::string state = state_of(settled_folder(destination));
    ASSERT_TRUE(state == "old" || state == "new") << '"' << state << "\" after " << stops;
    (state == "old" ? old : replaced) += 1;
    // The next writer is not hindered by what the killed one left.
    write_bundle(destination, "next");
    ASSERT_EQ(state_of(destination), "next") << stops;
    fs::remove_all(folder);
    if (exit < 0) continue;
    EXPECT_EQ(exit, 0);
    EXPECT_EQ(state, "new");
    break;
  }
  EXPECT_GT(old, 20);
  EXPECT_GT(replaced, 2);
  // Two renames leave a moment without a folder; an exchange does not.
  EXPECT_EQ(recovered > 0, !flags);
}

INSTANTIATE_TEST_SUITE_P(FileSystems, StagedFolderKillTest, ::testing::Bool(),
                         [](const auto& suite) { return suite.param ? "Exchange" : "TwoRenames"; });

}  // namespace
}  // namespace tamis

#endif
