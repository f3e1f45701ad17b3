// A bundle's writer that is ended, or whose inputs change, while it works.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/files/staged_folder.h"
#include "tests/cli/tamis_program.h"

namespace tamis::cli_test {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCheckpoint = "models/bert-sequence-classification";

/// `tamis optimize` that has begun to work: its stage is there.
class Optimizer {
 public:
  Optimizer(const fs::path& model, const fs::path& folder) : folder_(folder), child_(::fork()) {
    if (child_ == 0) {
      const rlimit no_core = {0, 0};
      ::setrlimit(RLIMIT_CORE, &no_core);
      const std::string errors = folder / "errors";
      if (std::freopen(errors.c_str(), "w", stderr) == nullptr) ::_exit(126);
      const std::string bundle = folder / "out";
      ::execl(TAMIS_PROGRAM, "tamis", "optimize", model.c_str(), "-o", bundle.c_str(),
              "--precision", "fp32", "--force", "--quiet", "--threads", "2", nullptr);
      ::_exit(127);
    }
    while (stages() == 0 && !ended()) ::sched_yield();
  }
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;
  ~Optimizer() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }

  void send(int signal) const { ::kill(child_, signal); }
  int wait() {
    if (child_ > 0) ::waitpid(child_, &status_, 0);
    child_ = 0;
    return status_;
  }
  [[nodiscard]] int stages() const {
    int count = 0;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      count += is_stage_name(entry.path().filename().string()) ? 1 : 0;
    }
    return count;
  }
  [[nodiscard]] std::string errors() const { return read_file(folder_ / "errors"); }

 private:
  bool ended() {
    if (::waitpid(child_, &status_, WNOHANG) != child_) return false;
    child_ = 0;
    return true;
  }

  fs::path folder_;
  pid_t child_;
  int status_ = 0;
};

TEST(CliStages, EndWithTheProgram) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) {
    const TempFolder folder;
    Optimizer optimizer(testdata(kCheckpoint), folder.path());
    EXPECT_EQ(optimizer.stages(), 1) << signal;
    optimizer.send(signal);
    const int status = optimizer.wait();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal) << signal << ": " << status;
    EXPECT_EQ(optimizer.stages(), 0) << signal;
    EXPECT_FALSE(fs::exists(folder.path() / "out")) << signal;
  }
}

TEST(CliStages, InputsThatChangeMeanwhileAreNoticed) {
  for (const char* name : {"model.safetensors", "config.json", "tokenizer.json"}) {
    const TempFolder folder;
    const fs::path model = folder.copy(kCheckpoint);
    Optimizer optimizer(model, folder.path());
    // Another state of the same length: only the times tell.
    std::string bytes = read_file(model / name);
    bytes.back() = bytes.back() == ' ' ? '\n' : ' ';
    write_file(model / name, bytes);
    const int status = optimizer.wait();
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 0) << name << ": " << status;
    EXPECT_NE(optimizer.errors().find(name), std::string::npos) << optimizer.errors();
    EXPECT_EQ(optimizer.stages(), 0) << name;
    EXPECT_FALSE(fs::exists(folder.path() / "out")) << name;
  }
}

}  // namespace
}  // namespace tamis::cli_test
