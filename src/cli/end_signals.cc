#include "cli/end_signals.h"

#include <pthread.h>

#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace tamis::cli {

// Shared with the thread, which waits as long as the process lasts.
struct EndSignals::State {
  sigset_t set;
  std::mutex mutex;
  std::condition_variable changed;
  bool came = false;
};

EndSignals::EndSignals() : state_(std::make_shared<State>()) {
  sigemptyset(&state_->set);
  sigaddset(&state_->set, SIGTERM);
  sigaddset(&state_->set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &state_->set, nullptr);
  std::thread([state = state_] {
    int signal = 0;
    sigwait(&state->set, &signal);
    {
      const std::lock_guard lock(state->mutex);
      state->came = true;
    }
    state->changed.notify_all();
    sigwait(&state->set, &signal);
    // As a shell says of a process that the signal ended.
    std::_Exit(128 + signal);
  }).detach();
}

bool EndSignals::wait(const std::function<bool()>& done) {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->came || done(); });
  return state_->came;
}

void EndSignals::notify() {
  { const std::lock_guard lock(state_->mutex); }
  state_->changed.notify_all();
}

}  // namespace tamis::cli
