// Accepts TCP connections and hands them on, also when the process runs out of descriptors.
//
// Is: what gRPC's own listener of Debian 12 is not: one failed accept ends that for good, nothing
// limits its connections, and two servers may share a port without notice. Is not: a protocol. May
// use: base, listen_socket.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <list>
#include <thread>
#include <unordered_map>
#include <vector>

#include "serve/http/listen_socket.h"

namespace tamis::serve {

struct SocketListenerOptions {
  ListenAddress address;  ///< no path
  /// Open at once, those handed on included. For one more the oldest is closed that has sent
  /// nothing yet, else the new one.
  size_t max_connections = 16384;
  int64_t silence_ms = 10'000;  ///< until a connection's first byte
};

/// Thread-safe.
class SocketListener {
 public:
  /// Listens. Throws Error as listen_on().
  explicit SocketListener(SocketListenerOptions options);
  ~SocketListener();
  SocketListener(const SocketListener&) = delete;
  SocketListener& operator=(const SocketListener&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] int descriptor() const { return listeners_.front(); }
  /// Calls `take` with each connection that has sent its first byte, non-blocking, which is the
  /// callee's from then on unless it throws; on a thread of the listener's.
  void start(std::function<void(int)> take);
  /// Takes no more; connections that wait unaccepted, or have sent nothing, are refused.
  void stop();

 private:
  struct Silent {
    int descriptor;
    int64_t since_ms;
  };
  struct Taken {
    int descriptor;
    ino_t inode;  ///< of the socket: another behind the same number is another connection
  };

  void work();
  /// False: wait before the next.
  bool accept_one(int listener);
  bool refuse_one(int listener);
  /// Whether one more may stay.
  bool make_room(int descriptor);
  void keep(int descriptor);
  /// Its first byte, or its end, has come.
  void hand_on(int descriptor);
  void close_silent(std::list<Silent>::iterator at);
  void close_overdue();
  void forget_closed();
  [[nodiscard]] int wait_ms() const;

  SocketListenerOptions options_;
  std::vector<int> listeners_;
  int epoll_ = -1;
  int wake_ = -1;
  int spare_ = -1;  ///< given up to accept and close a connection when no descriptor is left
  int64_t most_descriptor_ = 0;
  uint16_t port_ = 0;
  std::list<Silent> silent_;  ///< oldest first
  std::unordered_map<int, std::list<Silent>::iterator> silent_of_;
  std::vector<Taken> taken_;
  std::function<void(int)> take_;
  std::thread thread_;
};

}  // namespace tamis::serve
