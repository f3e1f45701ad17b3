#include "serve/batching/core_share.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

namespace tamis::serve {
namespace {

// Both have used 3 ms; of the one with three times the weight that counts as 1 ms.
TEST(CoreShare, WhoHasUsedLessForItsWeightGoesNext) {
  CoreShare share;
  CoreShare::Member light(share, 1);
  CoreShare::Member heavy(share, 3);
  CoreShare::Member holder(share, 1);
  for (CoreShare::Member* member : {&light, &heavy}) {
    member->enter();
    member->leave(3'000'000);
  }
  holder.enter();
  std::string order;  // written by whoever has the turn
  const auto work = [&](CoreShare::Member& member, char name) {
    member.enter();
    order.push_back(name);
    member.leave(1);
  };
  std::thread first([&] { work(light, 'l'); });
  while (share.waiting() < 1) std::this_thread::yield();
  std::thread second([&] { work(heavy, 'h'); });
  while (share.waiting() < 2) std::this_thread::yield();
  holder.leave(1);
  first.join();
  second.join();
  EXPECT_EQ(order, "hl");
}

TEST(CoreShare, OneTurnAtATime) {
  CoreShare share;
  std::atomic<int> inside{0};
  std::atomic<bool> overlapped{false};
  const auto work = [&] {
    CoreShare::Member member(share, 1);
    for (int i = 0; i < 200; ++i) {
      member.enter();
      if (inside.fetch_add(1) != 0) overlapped = true;
      inside.fetch_sub(1);
      member.leave(1);
    }
  };
  std::thread a(work);
  std::thread b(work);
  a.join();
  b.join();
  EXPECT_FALSE(overlapped);
}

}  // namespace
}  // namespace tamis::serve
