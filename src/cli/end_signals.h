// SIGTERM and SIGINT as an event that a program waits for.
//
// Is: the first signal asks for the end, the second is the end. Is not: what is done about it. May
// use: the standard library.
#pragma once

#include <functional>
#include <memory>

namespace tamis::cli {

/// Thread-safe.
class EndSignals {
 public:
  /// Blocks the signals in this thread and those it starts. Made before the first thread: one that
  /// does not block them would end the process at once.
  EndSignals();
  EndSignals(const EndSignals&) = delete;
  EndSignals& operator=(const EndSignals&) = delete;

  /// Waits for the first signal, or until `done` holds after a notify(). True: a signal came.
  bool wait(const std::function<bool()>& done);
  void notify();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tamis::cli
