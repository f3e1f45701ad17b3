#include "serve/batching/log_writer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "base/error.h"

namespace tamis::serve {

// Shared with the thread, which may outlive the writer.
struct LogWriter::State {
  State(int to, size_t most) : descriptor(to), max_bytes(most) {}

  const int descriptor;
  const size_t max_bytes;
  std::mutex mutex;
  std::condition_variable changed;
  std::string waiting;
  uint64_t dropped = 0;
  bool writing = false;
  bool stop = false;
};

namespace {

// Bytes that cannot be written are thrown away: there is nobody left to tell.
void write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written > 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      // Somebody else who has this file made it non-blocking.
      pollfd ready = {descriptor, POLLOUT, 0};
      if (poll(&ready, 1, -1) < 0 && errno != EINTR) return;
    } else if (errno != EINTR) {
      return;
    }
  }
}

// A pipe without a reader is an error of write(), and not the end of the process.
void block_broken_pipe() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

template <typename State>
void work(const std::shared_ptr<State>& state) {
  block_broken_pipe();
  std::unique_lock lock(state->mutex);
  for (;;) {
    state->changed.wait(lock, [&] { return state->stop || !state->waiting.empty(); });
    if (state->waiting.empty()) return;
    const std::string bytes = std::exchange(state->waiting, {});
    const uint64_t dropped = std::exchange(state->dropped, 0);
    state->writing = true;
    lock.unlock();
    write_all(state->descriptor, bytes);
    if (dropped > 0) {
      write_all(state->descriptor,
                cat("tamis: ", dropped, " log lines were dropped: they were not read in time\n"));
    }
    lock.lock();
    state->writing = false;
    state->changed.notify_all();
  }
}

}  // namespace

LogWriter::LogWriter(int descriptor, size_t max_bytes)
    : state_(std::make_shared<State>(descriptor, max_bytes)) {
  std::thread([state = state_] { work(state); }).detach();
}

LogWriter::~LogWriter() {
  flush(1000);
  const std::lock_guard lock(state_->mutex);
  state_->stop = true;
  state_->changed.notify_all();
}

void LogWriter::write(std::string_view line) {
  const std::lock_guard lock(state_->mutex);
  if (line.size() + 1 > state_->max_bytes - state_->waiting.size()) {
    ++state_->dropped;
    return;
  }
  state_->waiting.append(line);
  state_->waiting.push_back('\n');
  state_->changed.notify_all();
}

bool LogWriter::flush(int64_t timeout_ms) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                  [&] { return state_->waiting.empty() && !state_->writing; });
}

}  // namespace tamis::serve
