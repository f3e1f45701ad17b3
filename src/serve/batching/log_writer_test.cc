#include "serve/batching/log_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "base/error.h"

namespace tamis::serve {
namespace {

struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() { EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0); }
  ~Pipe() {
    close(ends[0]);
    close(ends[1]);
  }
  std::string read_some() {
    char bytes[65536];
    const ssize_t got = ::read(ends[0], bytes, sizeof(bytes));
    return {bytes, static_cast<size_t>(std::max<ssize_t>(got, 0))};
  }
};

TEST(LogWriter, WritesLinesInOrder) {
  Pipe pipe;
  LogWriter writer(pipe.ends[1]);
  writer.write("a");
  writer.write("b");
  EXPECT_TRUE(writer.flush(20'000));
  EXPECT_EQ(pipe.read_some(), "a\nb\n");
}

TEST(LogWriter, DropsAndCountsWhatNobodyReads) {
  Pipe pipe;
  LogWriter writer(pipe.ends[1], 1 << 18);
  const std::string line(1023, 'x');
  constexpr int kLines = 4096;  // 4 MiB: more than a pipe and the queue hold
  for (int i = 0; i < kLines; ++i) writer.write(line);
  EXPECT_FALSE(writer.flush(1));
  std::string all;
  while (all.find("dropped") == std::string::npos) all += pipe.read_some();
  EXPECT_TRUE(writer.flush(20'000));
  const size_t written = static_cast<size_t>(std::count(all.begin(), all.end(), '\n')) - 1;
  EXPECT_NE(all.find(cat("tamis: ", kLines - written, " log lines were dropped")),
            std::string::npos)
      << written;
  writer.write("on");
  EXPECT_TRUE(writer.flush(20'000));
  EXPECT_EQ(pipe.read_some(), "on\n");
}

TEST(LogWriter, OutlivesItsReader) {
  const auto before = signal(SIGPIPE, SIG_DFL);
  Pipe pipe;
  close(pipe.ends[0]);
  LogWriter writer(pipe.ends[1]);
  for (int i = 0; i < 3; ++i) {
    writer.write("nobody");
    EXPECT_TRUE(writer.flush(20'000));
  }
  pipe.ends[0] = -1;
  signal(SIGPIPE, before);
}

}  // namespace
}  // namespace tamis::serve
