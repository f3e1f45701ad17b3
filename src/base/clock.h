// Time as the program sees it; tests replace it.
#pragma once

#include <cstdint>

namespace tamis {

/// A monotonic clock. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Nanoseconds since an arbitrary start; never goes back.
  [[nodiscard]] virtual int64_t now_ns() const = 0;
  /// The machine's steady clock.
  [[nodiscard]] static const Clock& steady();
};

/// A clock that stands still until told. Not thread-safe against its own set().
class ManualClock final : public Clock {
 public:
  [[nodiscard]] int64_t now_ns() const override { return now_ns_; }
  void advance_ns(int64_t ns) { now_ns_ += ns; }

 private:
  int64_t now_ns_ = 0;
};

}  // namespace tamis
