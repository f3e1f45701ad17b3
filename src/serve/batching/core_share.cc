#include "serve/batching/core_share.h"

#include <algorithm>

#include "base/error.h"

namespace tamis::serve {

CoreShare::Member::Member(CoreShare& share, double weight) : share_(share), weight_(weight) {
  TAMIS_CHECK(weight > 0);
  const std::lock_guard lock(share_.mutex_);
  share_.members_.push_back(this);
}

CoreShare::Member::~Member() {
  const std::lock_guard lock(share_.mutex_);
  share_.members_.remove(this);
}

int CoreShare::waiting() {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::count_if(members_.begin(), members_.end(),
                                        [](const Member* member) { return member->waiting_; }));
}

bool CoreShare::is_next(const Member& member) const {
  if (taken_) return false;
  return std::none_of(members_.begin(), members_.end(), [&](const Member* other) {
    return other->waiting_ && other->used_ < member.used_;
  });
}

void CoreShare::Member::enter() {
  std::unique_lock lock(share_.mutex_);
  waiting_ = true;
  // One who was idle is not owed the time between.
  used_ = std::max(used_, share_.virtual_time_);
  share_.changed_.wait(lock, [&] { return share_.is_next(*this); });
  waiting_ = false;
  share_.taken_ = true;
  share_.virtual_time_ = std::max(share_.virtual_time_, used_);
}

void CoreShare::Member::leave(int64_t used_ns) {
  bool others = false;
  {
    const std::lock_guard lock(share_.mutex_);
    used_ += static_cast<double>(used_ns) / weight_;
    share_.taken_ = false;
    others = std::any_of(share_.members_.begin(), share_.members_.end(),
                         [](const Member* member) { return member->waiting_; });
  }
  if (others) share_.changed_.notify_all();
}

}  // namespace tamis::serve
