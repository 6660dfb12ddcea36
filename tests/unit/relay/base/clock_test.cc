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

TEST(Clock, WritesWholeSeconds) {
  EXPECT_EQ(to_iso8601_seconds(at(1795299303999)), "2026-11-21T22:15:03Z");
}

TEST(Clock, ReadsDateTimesInUtc) {
  EXPECT_EQ(parse_utc("2026-11-21T22:15:03Z"), at(1795299303000));
  EXPECT_EQ(parse_utc("2026-11-21t22:15:03z"), at(1795299303000));
  EXPECT_EQ(parse_utc("2026-11-21T22:15:03+00:00"), at(1795299303000));
  EXPECT_EQ(parse_utc("2026-11-21T22:15:03-00:00"), at(1795299303000));
  EXPECT_EQ(parse_utc("2024-02-29T00:00:00Z"), at(1709164800000));
  EXPECT_EQ(parse_utc("2016-12-31T23:59:60Z"), parse_utc("2017-01-01T00:00:00Z"));
}

TEST(Clock, ReadsFractionsNeverTooEarly) {
  EXPECT_EQ(parse_utc("2026-11-21T22:15:03.1Z"), at(1795299303100));
  EXPECT_EQ(parse_utc("2026-11-21T22:15:03.123Z"), at(1795299303123));
  EXPECT_EQ(parse_utc("2026-11-21T22:15:03.123000Z"), at(1795299303123));
  EXPECT_EQ(parse_utc("2026-11-21T22:15:03.1230001Z"), at(1795299303124));
  EXPECT_EQ(parse_utc("2026-11-21T22:15:03.9999Z"), at(1795299304000));
}

TEST(Clock, ReadsNothingElse) {
  for (const char* text : {"",
                           "Z",
                           "2026-11-21",
                           "2026-11-21T22:15:03",
                           "2026-11-21 22:15:03Z",
                           "2026-11-21T22:15Z",
                           "2026-11-21T22:15:03.Z",
                           "2026-11-21T22:15:03,5Z",
                           "2026-11-21T22:15:03+01:00",
                           "2026-11-21T22:15:03+0000",
                           "2026-11-21T22:15:03ZZ",
                           "2026-11-21T22:15:03Z ",
                           "2026-02-29T00:00:00Z",
                           "2026-13-01T00:00:00Z",
                           "2026-00-01T00:00:00Z",
                           "2026-11-21T24:00:00Z",
                           "2026-11-21T22:60:00Z",
                           "2026-11-21T22:15:60Z",
                           "2026-11-2xT22:15:03Z",
                           "+026-11-21T22:15:03Z"}) {
    EXPECT_EQ(parse_utc(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace postrider
