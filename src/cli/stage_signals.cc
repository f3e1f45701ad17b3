#include "cli/stage_signals.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "base/files/staged_folder.h"

namespace tamis::cli {

namespace {

extern "C" void end_without_stage(int signal) {
  // On the main thread, so that it writes no file between the removal and the end.
  const pid_t process = ::getpid();
  if (::syscall(SYS_gettid) != process) {
    ::syscall(SYS_tgkill, process, process, signal);
    return;
  }
  remove_stages();
  ::signal(signal, SIG_DFL);
  ::raise(signal);  // acts when the handler returns, which unblocks it
}

}  // namespace

StageSignals::StageSignals() {
  struct sigaction action = {};
  action.sa_handler = end_without_stage;
  ::sigfillset(&action.sa_mask);
  for (size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler == SIG_DFL) ::sigaction(kSignals[i], &action, nullptr);
  }
}

StageSignals::~StageSignals() {
  for (size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
}

}  // namespace tamis::cli
