// Sockets that listen, on a host's addresses or on a path.
//
// Is: lookup, bind, listen, and the end of a path's file. Is not: accepting (http_server,
// socket_listener), or sockets that systemd opened (handed_sockets). May use: base, http_host.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tamis::serve {

/// Where to listen.
struct ListenAddress {
  std::string host = "127.0.0.1";
  uint16_t port = 0;             ///< 0: any that is free
  std::string path;              ///< of a Unix domain socket, instead of host and port
  std::vector<int> descriptors;  ///< sockets that listen already, instead of both
};

/// The file of a Unix domain socket.
struct SocketFile {
  std::string path;  ///< empty: there is none
  dev_t device = 0;
  ino_t inode = 0;  ///< of a file that is gone another may have it
  timespec made_at = {};

  /// Removes it, unless another file has taken its place.
  void remove() const noexcept;
};

struct ListenSockets {
  std::vector<int>
      descriptors;    ///< non-blocking, the caller's; one for each of the host's addresses
  uint16_t port = 0;  ///< the same for all; 0: there is none
  SocketFile file;
};

/// Listens on every address of the host that this machine has: an IP address ("::1", "[::1]") or a
/// name ("localhost"). Port 0: one that is free on all. Throws Error: kInvalidArgument (no such
/// address), kUnavailable (the port is in use or forbidden), which begins with `who`.
///
/// On a path: the file's mode is what the umask leaves of 0777, and who may write to it may
/// connect. A socket that nobody listens on is replaced; kUnavailable where somebody does, where
/// something else lies there, or where no file can be made; kInvalidArgument for a path that is too
/// long.
[[nodiscard]] ListenSockets listen_on(const ListenAddress& address, std::string_view who);

}  // namespace tamis::serve
