// What of serve's options cannot be.
//
// Is: bounds, and options that need one another. Is not: the reading of a flag (cmd_serve.cc). May
// use: the server's options, KServe's names.
#pragma once

#include "serve/batching/server_options.h"

namespace tamis::cli {

/// Throws Error{kInvalidArgument} naming the flag, its value and what would be accepted.
void check_server_options(const serve::ServerOptions& server);

}  // namespace tamis::cli
