#include "relay/policy/quota.h"

#include <gtest/gtest.h>

namespace postrider::policy {
namespace {

class QuotaTest : public testing::Test {
 protected:
  // The code of the refusal; 250: it was counted.
  int take(const SentAmount& amount, const std::string& user = "a") {
    const auto refused = ledger_.take(user, limits_, amount, now_);
    return refused ? refused->status.code : 250;
  }

  SendingLimits limits_;
  QuotaLedger ledger_;
  WallTime now_{std::chrono::hours(24 * 20'000 + 12)};
};

TEST_F(QuotaTest, WithoutLimitsNothingIsRefused) {
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(take({1, 1000, 1U << 30}), 250);
}

TEST_F(QuotaTest, AMinuteTakesSoMany) {
  limits_.messages_per_minute = 60;
  for (int i = 0; i < 60; ++i) ASSERT_EQ(take({1, 1, 1}), 250);
  EXPECT_EQ(take({1, 1, 1}), 450);
  EXPECT_EQ(ledger_.look("a", limits_, {1, 1, 1}, now_)->status.text,
            "The limit of 60 messages a minute of this user is reached; try again in 1 s");
  now_ += Seconds(1);
  EXPECT_EQ(take({1, 1, 1}), 250);
  EXPECT_EQ(take({1, 1, 1}), 450);
  EXPECT_EQ(take({1, 1, 1}, "b"), 250);
}

TEST_F(QuotaTest, ADayTakesSoMuchOfEach) {
  limits_ = {0, 3, 10, 1000};
  EXPECT_EQ(take({1, 8, 10}), 250);
  EXPECT_EQ(take({1, 3, 10}), 450);
  EXPECT_EQ(take({1, 2, 990}), 250);
  EXPECT_EQ(take({1, 0, 1}), 450);
  EXPECT_EQ(take({1, 0, 0}), 250);
  EXPECT_EQ(take({1, 0, 0}), 450);
  EXPECT_EQ(ledger_.look("a", limits_, {1, 0, 0}, now_)->reason, "quota");
  now_ += std::chrono::hours(12);
  EXPECT_EQ(take({1, 10, 1000}), 250);
}

TEST_F(QuotaTest, WhatNeverFitsIsRefusedForGood) {
  limits_ = {0, 0, 10, 1000};
  EXPECT_EQ(take({1, 11, 1}), 550);
  EXPECT_EQ(take({1, 1, 1001}), 550);
}

TEST_F(QuotaTest, ARefusalCountsNothing) {
  limits_ = {0, 0, 10, 1000};
  EXPECT_EQ(take({1, 10, 1001}), 550);
  EXPECT_EQ(take({1, 10, 1000}), 250);
}

TEST_F(QuotaTest, LookingCountsNothing) {
  limits_.messages_per_day = 1;
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(ledger_.look("a", limits_, {1, 1, 1}, now_));
  EXPECT_EQ(take({1, 1, 1}), 250);
}

TEST_F(QuotaTest, WhatIsGivenBackMayBeSentAgain) {
  limits_ = {1, 1, 0, 0};
  EXPECT_EQ(take({1, 1, 1}), 250);
  ledger_.give_back("a", {1, 1, 1}, now_);
  EXPECT_EQ(take({1, 1, 1}), 250);
  EXPECT_EQ(take({1, 1, 1}), 450);
}

}  // namespace
}  // namespace postrider::policy
