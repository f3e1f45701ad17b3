// The stages of this process, for handlers of signals.
//
// Is: a fixed table that async-signal-safe code can read. Is not: for other modules
// (staged_folder.h is). May use: nothing.
#pragma once

#include <signal.h>

#include <filesystem>

namespace tamis {

/// Until unregister_stage(), remove_stages() and the end of the process remove the folder. A path
/// that is too long, or more stages than the table holds, are not taken: destructors alone remove
/// those.
void register_stage(const std::filesystem::path& stage);
void unregister_stage(const std::filesystem::path& stage);

/// No signal but those of faults is handled in this thread while it lives.
class SignalPause {
 public:
  SignalPause();
  ~SignalPause();
  SignalPause(const SignalPause&) = delete;
  SignalPause& operator=(const SignalPause&) = delete;

 private:
  sigset_t before_;
};

}  // namespace tamis
