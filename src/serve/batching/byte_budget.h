// How many bytes of requests the server holds at a time, over all connections.
//
// Is: a count with a limit, charged before the memory is taken. Is not: the memory. May use: the
// standard library.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

namespace tamis::serve {

class ByteBudget;

/// Bytes charged to a budget, given back when it goes. Movable; used by one thread at a time.
class ByteCharge {
 public:
  ByteCharge() = default;
  ~ByteCharge() { give_back(); }
  ByteCharge(ByteCharge&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  ByteCharge& operator=(ByteCharge&& other) noexcept {
    if (this == &other) return *this;
    give_back();
    budget_ = std::exchange(other.budget_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }
  [[nodiscard]] size_t bytes() const { return bytes_; }
  /// Null for no bytes.
  [[nodiscard]] ByteBudget* budget() const { return budget_; }
  void give_back();

 private:
  friend class ByteBudget;
  ByteCharge(ByteBudget& budget, size_t bytes) : budget_(&budget), bytes_(bytes) {}

  ByteBudget* budget_ = nullptr;
  size_t bytes_ = 0;
};

/// Thread-safe; outlives its charges.
class ByteBudget {
 public:
  /// Charges up to this size may use all of it, larger ones three quarters: slow senders of large
  /// bodies leave room for the others.
  static constexpr size_t kSmallBytes = size_t{64} << 10;

  explicit ByteBudget(size_t limit) : limit_(limit) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  /// A charge of 0 bytes: there is no room.
  [[nodiscard]] ByteCharge charge(size_t bytes);
  [[nodiscard]] size_t held() const { return held_.load(); }
  /// The most that was held since the last call.
  [[nodiscard]] size_t take_peak() { return peak_.exchange(held_.load()); }

 private:
  friend class ByteCharge;
  const size_t limit_;
  std::atomic<size_t> held_{0};
  std::atomic<size_t> peak_{0};
};

}  // namespace tamis::serve
