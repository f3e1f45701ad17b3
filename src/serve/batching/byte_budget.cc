#include "serve/batching/byte_budget.h"

namespace tamis::serve {

void ByteCharge::give_back() {
  if (budget_ != nullptr) budget_->held_.fetch_sub(bytes_);
  budget_ = nullptr;
  bytes_ = 0;
}

ByteCharge ByteBudget::charge(size_t bytes) {
  const size_t most = bytes <= kSmallBytes ? limit_ : limit_ - limit_ / 4;
  size_t held = held_.load();
  do {
    if (bytes > most || held > most - bytes) return {};
  } while (!held_.compare_exchange_weak(held, held + bytes));
  const size_t now = held + bytes;
  size_t peak = peak_.load();
  while (peak < now && !peak_.compare_exchange_weak(peak, now)) {
  }
  return ByteCharge(*this, bytes);
}

}  // namespace tamis::serve
