// Sockets that a socket unit of systemd opened and handed over (sd_listen_fds(3)).
//
// Is: the three variables of the environment, and what the descriptors are. Is not: opening
// (listen_socket). May use: base.
#pragma once

#include <vector>

namespace tamis::serve {

/// By FileDescriptorName.
struct HandedSockets {
  std::vector<int> http;  ///< all that are not named "grpc"
  std::vector<int> grpc;
};

/// Takes the sockets that LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES tell this process of, and
/// removes the variables; children do not get the sockets. Throws Error (kInvalidArgument) naming
/// what is no stream socket that listens, or, for gRPC, none of TCP. Not thread-safe, as the
/// environment is not.
[[nodiscard]] HandedSockets take_handed_sockets();

/// Whether it listens on an address that other machines reach.
[[nodiscard]] bool is_open_to_others(int descriptor);

}  // namespace tamis::serve
