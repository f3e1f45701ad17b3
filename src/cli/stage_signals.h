// What a command that writes a stage does when a signal ends it.
//
// Is: the removal of the stage, then the signal's own way to end the process. Is not: for threads
// other than the main one, which writes the stage. May use: base.
#pragma once

#include <signal.h>

#include <array>

namespace tamis::cli {

/// While it lives, signals whose default is to end the process first remove its stages. Those that
/// the caller ignores (nohup) stay ignored. One at a time, on the main thread.
class StageSignals {
 public:
  StageSignals();
  ~StageSignals();
  StageSignals(const StageSignals&) = delete;
  StageSignals& operator=(const StageSignals&) = delete;

  static constexpr std::array<int, 9> kSignals = {SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE, SIGALRM,
                                                  SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU};

 private:
  std::array<struct sigaction, kSignals.size()> before_ = {};
};

}  // namespace tamis::cli
