#include "relay/policy/retry_schedule.h"

#include <gtest/gtest.h>
#include <limits>
#include <vector>

namespace postrider::policy {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class RetryScheduleTest : public testing::Test {
 protected:
  Milliseconds interval(unsigned attempts) { return retry_interval(options_, attempts, random_); }

  std::optional<WallTime> next(WallTime now, unsigned attempts = 1) {
    return next_attempt(options_, attempts, now, expires_, random_);
  }

  // The wait where the host has asked for one.
  Milliseconds asked(Seconds wait, unsigned attempts = 1) {
    const WallTime now{};
    return *next_attempt(options_, attempts, now, expires_, random_, wait) - now;
  }

  RetryOptions options_;
  SeededRandom random_{1};
  WallTime expires_{hours(1000)};
};

TEST_F(RetryScheduleTest, DoublesUpToTheMaximum) {
  options_.jitter = 0;
  EXPECT_EQ(interval(1), minutes(5));
  EXPECT_EQ(interval(2), minutes(10));
  EXPECT_EQ(interval(3), minutes(20));
  EXPECT_EQ(interval(6), minutes(160));
  EXPECT_EQ(interval(7), hours(4));
  EXPECT_EQ(interval(8), hours(4));
}

TEST_F(RetryScheduleTest, NeverShrinksWithoutJitter) {
  options_.jitter = 0;
  for (const double growth : {0.5, 1.0, 1.1, 1.5, 2.0, 10.0}) {
    options_.growth = growth;
    for (unsigned attempts = 1; attempts < 200; ++attempts) {
      ASSERT_LE(interval(attempts), interval(attempts + 1)) << growth << " " << attempts;
    }
  }
}

TEST_F(RetryScheduleTest, AnyNumberOfAttemptsGivesAnInterval) {
  options_.jitter = 0;
  EXPECT_EQ(interval(0), minutes(5));
  EXPECT_EQ(interval(std::numeric_limits<unsigned>::max()), hours(4));
}

TEST_F(RetryScheduleTest, JitterStaysWithinItsBounds) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    random_ = SeededRandom(seed);
    const Milliseconds one = interval(1);
    ASSERT_GE(one, Seconds(270));
    ASSERT_LE(one, Seconds(330));
  }
}

TEST_F(RetryScheduleTest, JitterSpreads) {
  Milliseconds least = hours(1);
  Milliseconds most{0};
  for (int i = 0; i < 500; ++i) {
    const Milliseconds one = interval(1);
    least = std::min(least, one);
    most = std::max(most, one);
  }
  EXPECT_GT(most - least, Seconds(50));
}

TEST_F(RetryScheduleTest, AHostMayAskForALongerWait) {
  options_.jitter = 0;
  EXPECT_EQ(asked(minutes(30)), minutes(30));
  EXPECT_EQ(asked(minutes(30), 2), minutes(30));
  EXPECT_EQ(asked(minutes(30), 5), minutes(80));
  EXPECT_EQ(asked(hours(20)), hours(4));
}

TEST_F(RetryScheduleTest, BehindTheFirstAttemptAlsoForAShorterOne) {
  options_.jitter = 0;
  EXPECT_EQ(asked(Seconds(60)), Seconds(60));
  EXPECT_EQ(asked(Seconds(60), 2), minutes(10));
  EXPECT_EQ(asked(Seconds(1)), Seconds(10));
  options_.first_interval = Seconds(5);
  EXPECT_EQ(asked(Seconds(1)), Seconds(5));
}

TEST_F(RetryScheduleTest, WhatIsAskedForIsSpreadTowardsLaterOnly) {
  Milliseconds most{0};
  for (int i = 0; i < 200; ++i) {
    const Milliseconds wait = asked(minutes(30));
    ASSERT_GE(wait, minutes(30));
    most = std::max(most, wait);
  }
  EXPECT_GT(most, minutes(31));
  EXPECT_LE(most, minutes(33));
}

TEST_F(RetryScheduleTest, AnIntervalIsNeverZero) {
  options_.first_interval = Milliseconds(0);
  EXPECT_GE(interval(1), Milliseconds(1));
  options_.first_interval = Milliseconds(100);
  options_.jitter = 1;
  for (int i = 0; i < 1000; ++i) ASSERT_GE(interval(1), Milliseconds(1));
}

TEST_F(RetryScheduleTest, TheLastAttemptIsAtTheExpiry) {
  options_.jitter = 0;
  EXPECT_EQ(next(expires_ - minutes(20)), expires_ - minutes(15));
  EXPECT_EQ(next(expires_ - minutes(5)), expires_);
  EXPECT_EQ(next(expires_ - minutes(3)), expires_);
  EXPECT_EQ(next(expires_ - Milliseconds(1)), expires_);
}

TEST_F(RetryScheduleTest, AtTheExpiryItIsOver) {
  EXPECT_EQ(next(expires_), std::nullopt);
  EXPECT_EQ(next(expires_ + hours(1)), std::nullopt);
}

TEST_F(RetryScheduleTest, ALifeOfFiveDaysEndsInBoundedAttempts) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    random_ = SeededRandom(seed);
    WallTime now{hours(0)};
    expires_ = now + options_.lifetime;
    unsigned attempts = 1;
    while (const auto due = next(now, attempts)) {
      ASSERT_GT(*due, now);
      ASSERT_LE(*due, expires_);
      now = *due;
      ++attempts;
    }
    EXPECT_EQ(now, expires_);
    EXPECT_GT(attempts, 30U);
    EXPECT_LT(attempts, 45U);
  }
}

TEST(DelayNotice, IsDueAfterItsTime) {
  RetryOptions options;
  options.delay_notice = Seconds(60);
  const WallTime arrived{Seconds(1'000'000)};
  EXPECT_FALSE(is_delay_notice_due(options, arrived, arrived + Milliseconds(59'999)));
  EXPECT_TRUE(is_delay_notice_due(options, arrived, arrived + Seconds(60)));
  EXPECT_FALSE(is_delay_notice_due(options, arrived, arrived - Seconds(60)));
}

TEST(DelayNotice, OfNoTimeIsNeverDue) {
  RetryOptions options;
  options.delay_notice = Seconds(0);
  const WallTime arrived{Seconds(1'000'000)};
  EXPECT_FALSE(is_delay_notice_due(options, arrived, arrived + std::chrono::hours(1000)));
}

}  // namespace
}  // namespace postrider::policy
