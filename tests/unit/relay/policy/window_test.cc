#include "relay/policy/window.h"

#include <gtest/gtest.h>

namespace postrider::policy {
namespace {

class WindowTest : public testing::Test {
 protected:
  std::size_t limit() const { return window_.limit(now_); }

  void succeed(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) window_.succeeded(now_);
  }

  // With as many connections as it may have.
  bool slow_down() { return window_.slow_down(std::max<std::size_t>(1, limit()), now_, random_); }

  // One more could not be made.
  bool refuse(std::size_t standing) { return window_.refused(standing, now_, random_); }

  void advance(Duration time) { now_ += time; }

  // Shrinks as often as wanted, with time between.
  void slow_down_for_good(int times) {
    for (int i = 0; i < times; ++i, advance(Window::kShrinkInterval)) slow_down();
  }

  Duration pause() const { return window_.opens_at() - now_; }

  // Fails the probe that is due.
  void fail() {
    if (window_.opens_at() != TimePoint::max()) now_ = window_.opens_at();
    window_.unreachable(now_, random_);
  }

  WindowOptions options_;
  Window window_{options_};
  SeededRandom random_{1};
  TimePoint now_{};
};

TEST_F(WindowTest, RestsUntilItsTime) {
  window_.rest(now_ + Seconds(100));
  EXPECT_EQ(limit(), 0U);
  window_.rest(now_ + Seconds(50));
  EXPECT_EQ(pause(), Seconds(100));
  window_.reached();
  succeed(1);
  EXPECT_EQ(limit(), 0U);
  EXPECT_TRUE(window_.is_resting(now_));
  advance(Seconds(100));
  EXPECT_FALSE(window_.is_resting(now_));
  EXPECT_LE(limit(), 2U);
  succeed(5);
  EXPECT_GT(limit(), 2U);
}

TEST_F(WindowTest, StartsLow) {
  EXPECT_EQ(limit(), 4U);
  EXPECT_EQ(window_.opens_at(), TimePoint::max());
}

TEST_F(WindowTest, GrowsByEachSuccessUpToTheMaximum) {
  succeed(1);
  EXPECT_EQ(limit(), 5U);
  succeed(4);
  EXPECT_EQ(limit(), 9U);
  succeed(1000);
  EXPECT_EQ(limit(), 20U);
}

TEST_F(WindowTest, DoesNotGrowByTime) {
  advance(std::chrono::hours(24));
  EXPECT_EQ(limit(), 4U);
}

TEST_F(WindowTest, HalvesWhenAskedForLess) {
  succeed(12);
  ASSERT_EQ(limit(), 16U);
  slow_down();
  EXPECT_EQ(limit(), 8U);
}

TEST_F(WindowTest, OneCauseShrinksItOnce) {
  succeed(12);
  for (int i = 0; i < 16; ++i) slow_down();
  EXPECT_EQ(limit(), 8U);
  advance(Window::kShrinkInterval - Milliseconds(1));
  slow_down();
  EXPECT_EQ(limit(), 8U);
  advance(Milliseconds(1));
  slow_down();
  EXPECT_EQ(limit(), 4U);
}

TEST_F(WindowTest, NeverShrinksToNothing) {
  slow_down_for_good(10);
  EXPECT_EQ(limit(), 1U);
  EXPECT_EQ(window_.opens_at(), TimePoint::max());
}

TEST_F(WindowTest, AfterTroubleItGrowsByRounds) {
  succeed(12);
  slow_down();
  ASSERT_EQ(limit(), 8U);
  succeed(7);
  EXPECT_EQ(limit(), 8U);
  succeed(1);
  EXPECT_EQ(limit(), 9U);
  succeed(8);
  EXPECT_EQ(limit(), 9U);
  succeed(1);
  EXPECT_EQ(limit(), 10U);
}

TEST_F(WindowTest, HoldsBelowWhatWasTooMuch) {
  EXPECT_FALSE(window_.held_at());
  succeed(12);
  slow_down();
  EXPECT_EQ(window_.held_at(), 12U);
  succeed(1000);
  EXPECT_EQ(limit(), 12U);
}

TEST_F(WindowTest, WhatIsAskedForIsLessThanWhatStands) {
  succeed(1000);
  window_.slow_down(6, now_, random_);
  EXPECT_EQ(limit(), 3U);
}

TEST_F(WindowTest, ARefusedConnectionLeavesThoseThatStand) {
  succeed(1000);
  EXPECT_TRUE(refuse(10));
  EXPECT_EQ(limit(), 10U);
  EXPECT_FALSE(refuse(10)) << "of the same round";
  advance(Window::kTryFirst * 7 / 10);
  succeed(1000);
  EXPECT_EQ(limit(), 10U);
}

TEST_F(WindowTest, WhatIsGreetedBehindARefusalStands) {
  succeed(1000);
  refuse(8);
  window_.stands(9, now_);
  window_.stands(10, now_);
  EXPECT_EQ(limit(), 10U);
  EXPECT_EQ(window_.held_at(), 10U);
}

TEST_F(WindowTest, WhatStandsBehindAWishForLessChangesNothing) {
  succeed(1000);
  slow_down();
  window_.stands(20, now_);
  EXPECT_EQ(limit(), 10U);
  EXPECT_EQ(window_.held_at(), 15U);
}

TEST_F(WindowTest, TriesMoreLessAndLessOften) {
  succeed(1000);
  refuse(10);
  Duration expected = Window::kTryFirst;
  for (int i = 0; i < 12; ++i) {
    SCOPED_TRACE(i);
    advance(expected * 8 / 10 - Seconds(1));
    succeed(1000);
    ASSERT_EQ(limit(), 10U);
    advance(expected * 2 / 10 + Seconds(2));
    succeed(1000);
    ASSERT_EQ(limit(), 11U);
    refuse(10);
    ASSERT_EQ(limit(), 10U);
    expected = std::min(expected * 2, Window::kTryMax);
  }
  EXPECT_EQ(expected, Window::kTryMax);
}

TEST_F(WindowTest, WhatStandsBeyondTheBoundLiftsItByOneARound) {
  succeed(1000);
  refuse(5);
  advance(Window::kTryFirst);
  succeed(1000);
  ASSERT_EQ(limit(), 6U) << "not before it stands";
  for (std::size_t standing = 6; standing < 20; ++standing) {
    window_.stands(standing, now_);
    succeed(standing - 1);
    ASSERT_EQ(limit(), standing);
    succeed(1000);
    ASSERT_EQ(limit(), standing + 1);
  }
}

TEST_F(WindowTest, AnotherBoundIsTriedSoonAgain) {
  succeed(1000);
  refuse(10);
  for (int i = 0; i < 8; ++i) {
    advance(Window::kTryMax);
    succeed(100);
    refuse(10);
  }
  advance(Seconds(10));
  refuse(7);  // one of ten had ended
  advance(Window::kTryFirst);
  succeed(100);
  EXPECT_EQ(limit(), 8U);
}

TEST_F(WindowTest, ForgetsTroubleOfLongAgo) {
  succeed(1000);
  refuse(5);
  advance(Window::kForgetAfter);
  succeed(1000);
  EXPECT_EQ(limit(), 20U);
  EXPECT_FALSE(window_.held_at());
}

TEST_F(WindowTest, TriesOfManySitesSpread) {
  Window a(options_);
  Window b(options_);
  for (Window* one : {&a, &b}) one->refused(3, now_, random_);
  const auto tries_at = [this](Window& site) {
    TimePoint at = now_;
    while (site.limit(at) == 3) {
      at += Milliseconds(1);
      for (int i = 0; i < 3; ++i) site.succeeded(at);
    }
    return at;
  };
  EXPECT_NE(tries_at(a), tries_at(b));
}

TEST_F(WindowTest, AfterAnOutageItStillHolds) {
  succeed(1000);
  refuse(10);
  fail();
  now_ = window_.opens_at();
  window_.reached();
  EXPECT_EQ(limit(), 1U);
  EXPECT_EQ(window_.held_at(), 10U);
}

TEST_F(WindowTest, TroubleBetweenSuccessesStartsTheRoundAnew) {
  succeed(12);
  slow_down_for_good(1);
  ASSERT_EQ(limit(), 8U);
  succeed(7);
  slow_down();
  ASSERT_EQ(limit(), 4U);
  succeed(3);
  EXPECT_EQ(limit(), 4U);
  succeed(1);
  EXPECT_EQ(limit(), 5U);
}

TEST_F(WindowTest, AnOutageClosesItUntilOneProbe) {
  fail();
  EXPECT_EQ(limit(), 0U);
  EXPECT_GE(pause(), options_.probe_first * 8 / 10);
  EXPECT_LE(pause(), options_.probe_first);
  advance(pause() - Milliseconds(1));
  EXPECT_EQ(limit(), 0U);
  now_ = window_.opens_at();
  EXPECT_EQ(limit(), 1U);
}

TEST_F(WindowTest, ProbesLessAndLessOften) {
  Duration expected = options_.probe_first;
  for (int i = 0; i < 20; ++i) {
    SCOPED_TRACE(i);
    fail();
    EXPECT_GE(pause(), expected * 8 / 10);
    EXPECT_LE(pause(), expected);
    expected = std::min(expected * 2, options_.probe_max);
  }
  EXPECT_EQ(expected, options_.probe_max);
}

TEST_F(WindowTest, ProbesOfManySitesSpread) {
  Duration least = Duration::max();
  Duration most = Duration::zero();
  for (int i = 0; i < 200; ++i) {
    Window site(options_);
    site.unreachable(now_, random_);
    least = std::min(least, site.opens_at() - now_);
    most = std::max(most, site.opens_at() - now_);
  }
  EXPECT_GT(most - least, options_.probe_first / 10);
}

TEST_F(WindowTest, FailuresThatWereUnderWayCountOnce) {
  fail();
  const TimePoint opens = window_.opens_at();
  advance(Seconds(1));
  for (int i = 0; i < 20; ++i) window_.unreachable(now_, random_);
  EXPECT_EQ(window_.opens_at(), opens);
}

TEST_F(WindowTest, AfterAnOutageItOpensSlowly) {
  succeed(100);
  ASSERT_EQ(limit(), 20U);
  fail();
  now_ = window_.opens_at();
  succeed(1);
  EXPECT_EQ(limit(), 1U);
  EXPECT_EQ(window_.opens_at(), TimePoint::max());
  succeed(3);
  EXPECT_EQ(limit(), 4U) << "fast up to the first size";
  succeed(3);
  EXPECT_EQ(limit(), 4U) << "then by rounds";
  succeed(1);
  EXPECT_EQ(limit(), 5U);
}

TEST_F(WindowTest, AGreetingEndsAnOutageAndWhatIsAnsweredThenOpensIt) {
  for (int i = 0; i < 3; ++i) fail();
  now_ = window_.opens_at();
  window_.reached();
  EXPECT_EQ(limit(), 1U);
  EXPECT_EQ(window_.opens_at(), TimePoint::max());
  succeed(1);
  EXPECT_EQ(limit(), 2U);
  fail();
  EXPECT_LE(pause(), options_.probe_first) << "the outages are forgotten";
}

TEST_F(WindowTest, AGreetingAloneDoesNotGrowIt) {
  window_.reached();
  EXPECT_EQ(limit(), 4U);
}

TEST_F(WindowTest, ASuccessForgetsTheOutages) {
  for (int i = 0; i < 10; ++i) fail();
  now_ = window_.opens_at();
  succeed(1);
  fail();
  EXPECT_LE(pause(), options_.probe_first);
}

TEST_F(WindowTest, AWishForLessDuringAnOutageChangesNothing) {
  fail();
  const TimePoint opens = window_.opens_at();
  slow_down();
  EXPECT_EQ(window_.opens_at(), opens);
  EXPECT_EQ(limit(), 0U);
}

TEST_F(WindowTest, AnOutageWhileAProbeIsAllowedWaitsLonger) {
  fail();
  const Duration first = pause();
  fail();
  EXPECT_GT(pause(), first);
}

TEST_F(WindowTest, FollowsAMaximumThatChanges) {
  succeed(100);
  options_.connections_max = 7;
  EXPECT_EQ(limit(), 7U);
  slow_down();
  EXPECT_EQ(limit(), 3U);
}

TEST_F(WindowTest, APauseOfZeroIsNoTrap) {
  options_.probe_first = Duration::zero();
  for (int i = 0; i < 100; ++i) fail();
  EXPECT_EQ(limit(), 1U);
}

}  // namespace
}  // namespace postrider::policy
