#include "tests/cli/tamis_program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <sstream>

#include "base/error.h"
#include "base/file.h"

namespace tamis::cli_test {

namespace fs = std::filesystem;

namespace {

void check(bool works, const char* what) {
  if (!works) throw std::runtime_error(what);
}

// In the child: `path` as the descriptor `to`.
void redirect(const char* path, int flags, int to) {
  const int file = ::open(path, flags, 0600);
  if (file < 0 || ::dup2(file, to) < 0) ::_exit(126);
  ::close(file);
}

// The writing end of a pipe whose reading end is closed.
void redirect_to_broken_pipe(int to) {
  int ends[2];
  if (::pipe(ends) != 0 || ::dup2(ends[1], to) < 0) ::_exit(126);
  ::close(ends[0]);
  ::close(ends[1]);
}

[[noreturn]] void become_tamis(char* const* arguments, const Surroundings& surroundings,
                               const TempFolder& files) {
  redirect((files / "in").c_str(), O_RDONLY, STDIN_FILENO);
  const std::string out = surroundings.output_to.empty() ? files / "out" : surroundings.output_to;
  redirect(out.c_str(), O_WRONLY | O_CREAT, STDOUT_FILENO);
  redirect((files / "err").c_str(), O_WRONLY | O_CREAT, STDERR_FILENO);
  if (surroundings.output_closed) ::close(STDOUT_FILENO);
  if (surroundings.output_unread) redirect_to_broken_pipe(STDOUT_FILENO);
  if (surroundings.max_file_bytes) {
    const auto bytes = static_cast<rlim_t>(*surroundings.max_file_bytes);
    const rlimit limit = {bytes, bytes};
    // With the signal ignored writes fail as on a full disk.
    ::signal(SIGXFSZ, SIG_IGN);
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(126);
  }
  // Tests never reach the network; those of the hub have one of their own.
  ::setenv("HF_HUB_OFFLINE", "1", 1);
  for (const auto& variable : surroundings.environment) {
    ::setenv(variable.first.c_str(), variable.second.c_str(), 1);
  }
  ::execv(TAMIS_PROGRAM, arguments);
  ::_exit(127);
}

std::string read_if_there(const std::string& path) {
  return file_exists(path) ? read_file(path) : "";
}

}  // namespace

TempFolder::TempFolder() {
  std::string pattern = (fs::temp_directory_path() / "tamis_cli_XXXXXX").string();
  check(::mkdtemp(pattern.data()) != nullptr, "no temporary folder");
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string TempFolder::write(std::string_view name, std::string_view bytes) const {
  const std::string path = *this / name;
  write_file(path, bytes);
  return path;
}

fs::path TempFolder::copy(std::string_view testdata_folder) const {
  const fs::path to = path_ / "model";
  fs::remove_all(to);
  fs::copy(testdata(testdata_folder), to, fs::copy_options::recursive);
  for (const auto& entry : fs::recursive_directory_iterator(to)) {
    fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
  }
  return to;
}

Outcome tamis(const std::vector<std::string>& arguments, const Surroundings& surroundings) {
  const TempFolder files;
  (void)files.write("in", surroundings.input);
  std::vector<std::string> words = {TAMIS_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);

  const pid_t child = ::fork();
  check(child >= 0, "cannot fork");
  if (child == 0) become_tamis(pointers.data(), surroundings, files);
  int status = 0;
  rusage usage = {};
  check(::wait4(child, &status, 0, &usage) == child, "lost the child");
  Outcome outcome;
  outcome.peak_kib = usage.ru_maxrss;
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  outcome.out = read_if_there(files / "out");
  outcome.err = read_if_there(files / "err");
  return outcome;
}

std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> found;
  std::istringstream stream{std::string(text)};
  for (std::string line; std::getline(stream, line);) found.push_back(line);
  return found;
}

std::string testdata(std::string_view name) { return cat(TAMIS_TESTDATA, "/", name); }

}  // namespace tamis::cli_test
