// Accepts TCP connections and hands them on, also when the process runs out of descriptors.
//
// Is: what gRPC's own listener of Debian 12 is not: one failed accept ends that for good, and two
// servers may share a port without notice. Is not: a protocol. May use: base.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <thread>

namespace tamis::serve {

/// Thread-safe.
class SocketListener {
 public:
  /// Listens on a numeric address; port 0: any that is free. Throws Error: kInvalidArgument,
  /// kUnavailable (the port is in use or forbidden).
  SocketListener(const std::string& host, uint16_t port);
  ~SocketListener();
  SocketListener(const SocketListener&) = delete;
  SocketListener& operator=(const SocketListener&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] int descriptor() const { return listener_; }
  /// Calls `take` with each connection, non-blocking, which is the callee's from then on; on a
  /// thread of the listener's.
  void start(std::function<void(int)> take);
  /// Takes no more; connections that wait unaccepted are refused.
  void stop();

 private:
  void work();
  /// False: wait before the next.
  bool accept_one();
  bool refuse_one();

  int listener_ = -1;
  int wake_ = -1;
  int spare_ = -1;  ///< given up to accept and close a connection when no descriptor is left
  int64_t most_ = 0;
  uint16_t port_ = 0;
  std::function<void(int)> take_;
  std::thread thread_;
};

}  // namespace tamis::serve
