// Which model may use the cores now: several models share them by weight.
//
// Is: a turnstile that batches pass one at a time, since one batch takes all idle cores anyway. Is
// not: a scheduler of rows (batch_queue). May use: nothing.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>

namespace tamis::serve {

/// Thread-safe. Of the models that wait, the one that has used the least time for its weight goes
/// next.
class CoreShare {
 public:
  class Member;

  /// A model's place in it. The share outlives its members. Not thread-safe.
  class Member {
   public:
    Member(CoreShare& share, double weight);
    ~Member();
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

    /// Waits for the turn.
    void enter();
    /// Ends the turn, which took so long.
    void leave(int64_t used_ns);

   private:
    friend class CoreShare;
    CoreShare& share_;
    double weight_;
    double used_ = 0;  ///< ns / weight, in the share's virtual time
    bool waiting_ = false;
  };

  /// How many members wait for their turn.
  [[nodiscard]] int waiting();

 private:
  [[nodiscard]] bool is_next(const Member& member) const;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Member*> members_;
  bool taken_ = false;
  double virtual_time_ = 0;
};

}  // namespace tamis::serve
