#include "serve/batching/admission.h"

#include <gtest/gtest.h>

namespace tamis::serve {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
// Tokens a second, so that tokens are seconds.
constexpr double kRate = 1;

class AdmissionTest : public ::testing::Test {
 protected:
  Admission::Verdict ask(uint64_t client, int64_t tokens, uint32_t level = 5,
                         CancelFlag cancelled = nullptr, int64_t deadline_ns = 0) {
    Demand demand;
    demand.tokens = tokens;
    demand.level = level;
    demand.client = client;
    demand.cancelled = std::move(cancelled);
    demand.deadline_ns = deadline_ns;
    return ledger_->admit(demand, kRate);
  }
  bool fits(uint64_t client, int64_t tokens, uint32_t level = 5) {
    return static_cast<bool>(ask(client, tokens, level).ticket);
  }

  ManualClock clock_;
  std::shared_ptr<Admission> ledger_ = std::make_shared<Admission>(100 * kSecond, 10, clock_);
};

TEST_F(AdmissionTest, NothingBeforeItAdmitsAnything) {
  const auto first = ask(1, 1'000'000);
  EXPECT_TRUE(first.ticket);
  EXPECT_EQ(ledger_->tokens(), 1'000'000);
}

TEST_F(AdmissionTest, ALargeRequestOfOneClientDoesNotRefuseTheSmallOnesOfOthers) {
  const auto large = ask(1, 100'000);
  EXPECT_TRUE(fits(2, 10));
  // Fifty before its last token are its turns' worth of the other client's.
  EXPECT_TRUE(fits(2, 50));
  // But as much again would wait as long as the first takes.
  const auto refused = ask(2, 100'000);
  EXPECT_FALSE(refused.ticket);
  EXPECT_EQ(refused.wait_ns, 100'010 * kSecond);
  // And the first client's next waits for its own.
  EXPECT_FALSE(fits(1, 10));
}

TEST_F(AdmissionTest, ALargeRequestIsAdmittedBesideATrickleOfSmallOnes) {
  const auto small = ask(1, 10);
  EXPECT_TRUE(fits(2, 100'000));
}

TEST_F(AdmissionTest, ManySmallClientsAddUp) {
  std::vector<Admission::Verdict> admitted;
  for (uint64_t client = 0; client < 10; ++client) admitted.push_back(ask(client, 10));
  for (const auto& verdict : admitted) EXPECT_TRUE(verdict.ticket);
  EXPECT_FALSE(fits(100, 10));
  EXPECT_TRUE(fits(100, 9));  // nine of each go before it
}

TEST_F(AdmissionTest, LevelsBeforeItCountWhollyAndThoseBehindItNot) {
  const auto first = ask(1, 95, 3);
  EXPECT_FALSE(fits(2, 10, 5));
  EXPECT_TRUE(fits(2, 10, 1));
  EXPECT_TRUE(fits(2, 5, 5));
}

TEST_F(AdmissionTest, WhatIsGoneOrLateLeavesTheSumAtOnce) {
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  const auto cancelled = ask(1, 95, 5, gone);
  EXPECT_FALSE(fits(1, 10));
  gone->store(true);
  EXPECT_TRUE(fits(1, 10));
  EXPECT_EQ(ledger_->tokens(), 0);

  const auto late = ask(2, 95, 5, nullptr, 7);
  EXPECT_FALSE(fits(2, 10));
  clock_.advance_ns(7);
  EXPECT_TRUE(fits(2, 10));
}

TEST_F(AdmissionTest, TicketsFollowTheirTokens) {
  auto verdict = ask(1, 60);
  verdict.ticket.correct(120);
  EXPECT_EQ(ledger_->tokens(), 120);
  EXPECT_TRUE(fits(2, 10, 1));
  verdict.ticket.take(95);
  EXPECT_EQ(ledger_->tokens(), 120);
  // What runs is waited for by everybody.
  EXPECT_FALSE(fits(2, 10, 1));
  ledger_->ran();
  EXPECT_EQ(ledger_->tokens(), 25);
  Admission::Ticket moved = std::move(verdict.ticket);
  EXPECT_FALSE(verdict.ticket);
  moved.leave();
  EXPECT_EQ(ledger_->tokens(), 0);
}

TEST_F(AdmissionTest, AnUnknownRateAdmits) {
  const auto first = ask(1, 1000);
  EXPECT_TRUE(ledger_->admit({1000, 5, 1}, 0).ticket);
}

}  // namespace
}  // namespace tamis::serve
