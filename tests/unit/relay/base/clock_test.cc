#include "relay/base/clock.h"

#include <gtest/gtest.h>

namespace postrider {
namespace {

WallTime at(std::int64_t milliseconds) {
  return WallTime(Milliseconds(milliseconds));
}

TEST(Clock, WritesIso8601) {
  EXPECT_EQ(to_iso8601(at(0)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_iso8601(at(1795299303123)), "2026-11-21T22:15:03.123Z");
  EXPECT_EQ(to_iso8601(at(951782399999)), "2000-02-28T23:59:59.999Z");
  EXPECT_EQ(to_iso8601(at(951782400000)), "2000-02-29T00:00:00.000Z");
}

TEST(Clock, WritesTimesBefore1970) {
  EXPECT_EQ(to_iso8601(at(-1)), "1969-12-31T23:59:59.999Z");
}

TEST(Clock, WritesRfc5322Dates) {
  EXPECT_EQ(to_rfc5322(at(1795299303123)), "Sat, 21 Nov 2026 22:15:03 +0000");
  EXPECT_EQ(to_rfc5322(at(0)), "Thu, 1 Jan 1970 00:00:00 +0000");
}

TEST(Clock, SystemClockAgreesWithTheSystem) {
  const SystemClock clock;
  const auto real = std::chrono::system_clock::now();
  EXPECT_LT(std::chrono::abs(clock.wall() - real), Seconds(5));
}

TEST(Clock, SystemClockNeverGoesBack) {
  const SystemClock clock;
  TimePoint steady = clock.now();
  WallTime wall = clock.wall();
  for (int i = 0; i < 1000; ++i) {
    const TimePoint next_steady = clock.now();
    const WallTime next_wall = clock.wall();
    EXPECT_GE(next_steady, steady);
    EXPECT_GE(next_wall, wall);
    steady = next_steady;
    wall = next_wall;
  }
}

}  // namespace
}  // namespace postrider
