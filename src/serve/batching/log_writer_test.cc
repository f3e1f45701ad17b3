#include "serve/batching/log_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <regex>
#include <string>
#include <string_view>

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

size_t lines_of(std::string_view all, std::string_view line) {
  size_t lines = 0;
  for (size_t at = 0; (at = all.find('\n', at)) != std::string_view::npos; ++at) {
    if (at >= line.size() && all.substr(at - line.size(), line.size()) == line) ++lines;
  }
  return lines;
}

// What the whole lines about dropped lines in `all` add up to.
size_t dropped_lines(const std::string& all) {
  static const std::regex kLine("tamis: ([0-9]+) log lines were dropped: [^\n]*\n");
  size_t dropped = 0;
  for (std::sregex_iterator at(all.begin(), all.end(), kLine), end; at != end; ++at) {
    dropped += std::stoul((*at)[1]);
  }
  return dropped;
}

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
  constexpr size_t kLines = 4096;  // 4 MiB: more than a pipe and the queue hold
  for (size_t i = 0; i < kLines; ++i) writer.write(line);
  EXPECT_FALSE(writer.flush(1));
  // The queue may run full before its thread has taken a byte, and again after: more than one
  // line can say what was dropped.
  std::string all;
  while (lines_of(all, line) + dropped_lines(all) < kLines) {
    const std::string more = pipe.read_some();
    ASSERT_FALSE(more.empty());
    all += more;
  }
  EXPECT_TRUE(writer.flush(20'000));
  EXPECT_GT(dropped_lines(all), 0u);
  EXPECT_EQ(lines_of(all, line) + dropped_lines(all), kLines);
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
