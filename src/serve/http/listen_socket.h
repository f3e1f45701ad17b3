// Sockets that listen on a host's addresses.
//
// Is: lookup, bind, listen. Is not: accepting (http_server, socket_listener). May use: base,
// http_host.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tamis::serve {

struct ListenSockets {
  std::vector<int>
      descriptors;    ///< non-blocking, the caller's; one for each of the host's addresses
  uint16_t port = 0;  ///< the same for all
};

/// Listens on every address of `host` that this machine has: an IP address ("::1", "[::1]") or a
/// name ("localhost"). Port 0: one that is free on all. Throws Error: kInvalidArgument (no such
/// address), kUnavailable (the port is in use or forbidden), which begins with `who`.
[[nodiscard]] ListenSockets listen_on(const std::string& host, uint16_t port, std::string_view who);

}  // namespace tamis::serve
