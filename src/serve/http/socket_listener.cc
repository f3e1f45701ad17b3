#include "serve/http/socket_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "serve/batching/current_error.h"

namespace tamis::serve {

namespace {

// Descriptors that connections leave to the rest of the process: files of a model being loaded, a
// handful at a time.
constexpr int64_t kReserve = 64;
// Between two tries to accept when that fails for lack of memory.
constexpr int kRetryMs = 50;

// For a catch block; where there is memory for the line.
void say_refused() noexcept {
  try {
    log(LogLevel::kError, cat("gRPC: a connection was refused: ", current_error().what()));
  } catch (...) {
  }
}

int open_spare() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// 0: it is closed.
ino_t inode_of(int descriptor) {
  struct stat state = {};
  return fstat(descriptor, &state) == 0 && S_ISSOCK(state.st_mode) ? state.st_ino : 0;
}

}  // namespace

SocketListener::SocketListener(SocketListenerOptions options) : options_(std::move(options)) {
  ListenSockets sockets = listen_on(options_.address, "gRPC");
  listeners_ = std::move(sockets.descriptors);
  port_ = sockets.port;
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  spare_ = open_spare();
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  most_descriptor_ = static_cast<int64_t>(limit.rlim_cur) - kReserve;
  std::vector<int> watched = listeners_;
  watched.push_back(wake_);
  for (const int descriptor : watched) {
    epoll_event event = {EPOLLIN, {.fd = descriptor}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event);
  }
}

SocketListener::~SocketListener() {
  stop();
  for (const int descriptor : {epoll_, wake_, spare_}) {
    if (descriptor >= 0) close(descriptor);
  }
}

void SocketListener::start(std::function<void(int)> take) {
  take_ = std::move(take);
  thread_ = std::thread([this] { work(); });
}

void SocketListener::stop() {
  if (thread_.joinable()) {
    eventfd_write(wake_, 1);
    thread_.join();
  }
  while (!silent_.empty()) close_silent(silent_.begin());
  for (const int listener : listeners_) close(listener);
  listeners_.clear();
}

int SocketListener::wait_ms() const {
  if (silent_.empty()) return -1;
  const int64_t left = silent_.front().since_ms + options_.silence_ms - now_ms();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
}

void SocketListener::work() {
  constexpr int kEvents = 64;
  bool pause = false;
  for (;;) {
    epoll_event events[kEvents];
    // A listener that cannot accept would be reported again at once.
    if (pause) std::this_thread::sleep_for(std::chrono::milliseconds(kRetryMs));
    const int count = epoll_wait(epoll_, events, kEvents, wait_ms());
    pause = false;
    for (int i = 0; i < count; ++i) {
      const int descriptor = events[i].data.fd;
      if (descriptor == wake_) return;
      try {
        if (std::find(listeners_.begin(), listeners_.end(), descriptor) == listeners_.end()) {
          hand_on(descriptor);
        } else if (!accept_one(descriptor)) {
          pause = true;
        }
      } catch (...) {
        pause = true;
        say_refused();
      }
    }
    close_overdue();
  }
}

bool SocketListener::accept_one(int listener) {
  const int descriptor = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor < 0) {
    if (errno == EMFILE || errno == ENFILE) return refuse_one(listener);
    return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
  }
  if (!make_room(descriptor)) {
    close(descriptor);
    return true;
  }
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  keep(descriptor);
  return true;
}

bool SocketListener::make_room(int descriptor) {
  // The system hands out the lowest number that is free.
  const bool scarce = most_descriptor_ > 0 && descriptor >= most_descriptor_;
  if (!scarce && silent_.size() + taken_.size() < options_.max_connections) return true;
  forget_closed();
  if (!scarce && silent_.size() + taken_.size() < options_.max_connections) return true;
  if (silent_.empty()) return false;
  close_silent(silent_.begin());
  return true;
}

// gRPC does not say when it closes a connection.
void SocketListener::forget_closed() {
  std::erase_if(taken_,
                [](const Taken& taken) { return inode_of(taken.descriptor) != taken.inode; });
}

void SocketListener::keep(int descriptor) {
  try {
    silent_of_.try_emplace(descriptor);
    silent_.push_back({descriptor, now_ms()});
  } catch (...) {
    silent_of_.erase(descriptor);
    close(descriptor);
    throw;
  }
  silent_of_[descriptor] = std::prev(silent_.end());
  epoll_event event = {EPOLLIN | EPOLLRDHUP, {.fd = descriptor}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event);
}

void SocketListener::hand_on(int descriptor) {
  const auto found = silent_of_.find(descriptor);
  // Closed for another's sake after this event was reported.
  if (found == silent_of_.end()) return;
  char first = 0;
  const ssize_t got = recv(descriptor, &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) return close_silent(found->second);
  epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr);
  taken_.push_back({descriptor, inode_of(descriptor)});
  silent_.erase(found->second);
  silent_of_.erase(found);
  try {
    take_(descriptor);
  } catch (...) {
    taken_.pop_back();
    close(descriptor);
    throw;
  }
}

void SocketListener::close_silent(std::list<Silent>::iterator at) {
  const int descriptor = at->descriptor;
  silent_of_.erase(descriptor);
  silent_.erase(at);
  close(descriptor);
}

void SocketListener::close_overdue() {
  const int64_t now = now_ms();
  while (!silent_.empty() && now - silent_.front().since_ms >= options_.silence_ms) {
    close_silent(silent_.begin());
  }
}

// With no descriptor left the connection would wait in the queue and be found there again at once.
bool SocketListener::refuse_one(int listener) {
  if (spare_ < 0) spare_ = open_spare();
  if (spare_ < 0) return false;
  close(spare_);
  const int descriptor = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (descriptor >= 0) close(descriptor);
  spare_ = open_spare();
  log(LogLevel::kWarning, "gRPC: no file descriptor is left for a connection");
  return descriptor >= 0;
}

}  // namespace tamis::serve
