#include "relay/policy/rate_limit.h"

#include <algorithm>
#include <deque>
#include <gtest/gtest.h>
#include <iterator>
#include <string>

#include "relay/base/random.h"

namespace postrider::policy {
namespace {

Rate rate(std::string_view text) {
  const auto parsed = Rate::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : Rate();
}

TEST(Rate, IsReadAndWritten) {
  EXPECT_EQ(rate("100/s"), (Rate{100, Seconds(1)}));
  EXPECT_EQ(rate("1/10s"), (Rate{1, Seconds(10)}));
  EXPECT_EQ(rate("600/m"), (Rate{600, Seconds(60)}));
  EXPECT_EQ(rate("5/h"), (Rate{5, Seconds(3600)}));
  EXPECT_EQ(rate("7/2d"), (Rate{7, Seconds(172'800)}));
  EXPECT_FALSE(rate("none").is_limited());
  for (const char* text : {"100/s", "1/10s", "3/90s", "5/h", "7/2d", "none"}) {
    EXPECT_EQ(rate(text).to_string(), text);
  }
  EXPECT_EQ(rate("5/60s").to_string(), "5/m");
}

TEST(Rate, RefusesWhatIsNone) {
  for (const char* text :
       {"", "/", "5", "5/", "/s", "0/s", "-1/s", "5/0s", "5/8d", "5/x", "5/ms", "5 /s", "1e3/s",
        "1000000001/s", "5/s ", "5/s/s", "5/99999999999999999999s", "NONE"}) {
    EXPECT_FALSE(Rate::parse(text)) << text;
  }
}

TEST(Rate, KnowsTheLower) {
  EXPECT_TRUE(rate("1/s").is_lower_than(rate("61/m")));
  EXPECT_FALSE(rate("1/s").is_lower_than(rate("60/m")));
  EXPECT_TRUE(rate("1/s").is_lower_than(Rate()));
  EXPECT_FALSE(Rate().is_lower_than(rate("1/s")));
  EXPECT_FALSE(Rate().is_lower_than(Rate()));
  EXPECT_TRUE(rate("999999999/7d").is_lower_than(rate("1000000000/7d")));
}

TEST(RateLimit, SpreadsWhatItLetsThrough) {
  RateLimit limit(rate("10/m"));
  TimePoint now{Seconds(100)};
  EXPECT_LE(limit.ready_at(), now);
  limit.take(now);
  EXPECT_GT(limit.ready_at(), now + Seconds(5));
  EXPECT_LT(limit.ready_at(), now + Seconds(7));
}

TEST(RateLimit, WithoutALimitAllGoes) {
  RateLimit limit;
  const TimePoint now{Seconds(1)};
  for (int i = 0; i < 1000; ++i) limit.take(now);
  EXPECT_LE(limit.ready_at(), now);
  EXPECT_EQ(limit.ready_behind(1'000'000, now), now);
  EXPECT_TRUE(limit.is_fresh(now));
}

TEST(RateLimit, IdleTimeIsNotSavedUp) {
  RateLimit limit(rate("60/m"));
  TimePoint now{Seconds(10'000)};
  limit.take(now);
  EXPECT_GT(limit.ready_at(), now);
  now += std::chrono::hours(5);
  limit.take(now);
  EXPECT_GT(limit.ready_at(), now);
}

TEST(RateLimit, IsFreshWhenNothingTakenMatters) {
  RateLimit limit(rate("1/h"));
  const TimePoint now{Seconds(1)};
  limit.take(now);
  EXPECT_FALSE(limit.is_fresh(now + std::chrono::minutes(59)));
  EXPECT_TRUE(limit.is_fresh(now + std::chrono::minutes(61)));
}

TEST(RateLimit, TellsWhenThoseBehindMayGo) {
  RateLimit limit(rate("1/10s"));
  const TimePoint now{Seconds(1)};
  limit.take(now);
  TimePoint told = limit.ready_behind(3, now);
  for (int i = 0; i < 3; ++i) limit.take(limit.ready_at());
  EXPECT_LE(std::max(told, limit.ready_at()) - std::min(told, limit.ready_at()), Milliseconds(100));
  told = limit.ready_behind(~std::uint64_t{0}, now);
  EXPECT_GT(told, now + std::chrono::days(30'000));
}

TEST(Appointments, AreOneBehindTheOther) {
  const RateLimit limit(rate("1/10s"));
  const TimePoint now{Seconds(100)};
  Appointments appointments;
  const TimePoint first = appointments.make(limit, 5, now);
  EXPECT_GE(first, now + Seconds(50));
  const TimePoint second = appointments.make(limit, 5, now);
  EXPECT_GE(second - first, Seconds(10));
  EXPECT_LE(second - first, Seconds(11));
}

TEST(Appointments, AreNotTooFarAway) {
  const RateLimit limit(rate("1/d"));
  Appointments appointments;
  const TimePoint now{Seconds(100)};
  EXPECT_EQ(appointments.make(limit, 1000, now), now + Appointments::kWithin);
  EXPECT_EQ(appointments.make(limit, 1000, now), now + Appointments::kWithin);
  const TimePoint later = now + std::chrono::hours(100);
  EXPECT_GE(appointments.make(limit, 0, later), later);
}

// Whoever takes as soon as it may, a moment late as timers are, or at random: no stretch of a
// period has more than the count, and at least nine tenths of it come through.
class RateLimitHolds : public testing::TestWithParam<const char*> {};

TEST_P(RateLimitHolds, AtEveryInstant) {
  const Rate limited = rate(GetParam());
  const std::uint64_t seed = SystemRandom().u64();
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRandom random(seed);
  for (const std::uint64_t late_ms : {0U, 1U, 15U}) {
    RateLimit limit(limited);
    TimePoint now{Seconds(1)};
    const TimePoint begin = now;
    std::deque<TimePoint> taken;
    std::uint64_t total = 0;
    while (total < 3 * limited.count && total < 20'000) {
      now = std::max(now, limit.ready_at());
      if (now > TimePoint(Seconds(1)) && late_ms > 0) {
        now += Duration(Milliseconds(random.below(late_ms + 1)));
      }
      while (limit.ready_at() <= now) {
        limit.take(now);
        ++total;
        taken.push_back(now);
        while (taken.front() + limited.period <= now) taken.pop_front();
        ASSERT_LE(taken.size(), limited.count);
      }
    }
    const double periods = std::chrono::duration<double>(now - begin) / limited.period;
    EXPECT_GE(static_cast<double>(total), 0.9 * periods * static_cast<double>(limited.count));
  }
}

INSTANTIATE_TEST_SUITE_P(All, RateLimitHolds,
                         testing::Values("1/s", "3/s", "100/s", "2000/s", "1/m", "10/m", "7/13s",
                                         "5000/h", "100000/d"));

}  // namespace
}  // namespace postrider::policy
