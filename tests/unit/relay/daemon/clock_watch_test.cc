#include "relay/daemon/clock_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "relay/base/guarded.h"
#include "relay/base/log.h"

namespace postrider::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Guarded<std::vector<std::string>> said;

class ManualClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override { return TimePoint(elapsed); }

  [[nodiscard]] WallTime wall() const override {
    return begun + std::chrono::duration_cast<Milliseconds>(elapsed);
  }

  WallTime begun = *parse_utc("2026-11-21T22:15:03Z");
  Duration elapsed{};
};

class ClockWatchTest : public ::testing::Test {
 protected:
  ClockWatchTest() {
    said.lock()->clear();
    log::set_sink([](std::string_view line) { said.lock()->emplace_back(line); });
  }

  ~ClockWatchTest() override { log::set_sink(nullptr); }

  // A look when the system clock tells so much more than the relay's own.
  void look(Milliseconds ahead) {
    ahead_ = ahead;
    clock_.elapsed += ClockWatch::kInterval;
    watch_.look();
  }

  static std::vector<std::string> lines() { return *said.lock(); }

  ManualClock clock_;
  metrics::Registry metrics_;
  Milliseconds ahead_{0};
  ClockWatch watch_{clock_, metrics_, [this] { return clock_.wall() + ahead_; }};
};

TEST_F(ClockWatchTest, AClockThatIsCorrectedALittleIsNothingToTell) {
  for (const int ahead : {0, 900, -900, 0}) look(Milliseconds(ahead));
  EXPECT_THAT(lines(), IsEmpty());
}

TEST_F(ClockWatchTest, OneThatWasSetIsToldOnce) {
  look(std::chrono::hours(24));
  look(std::chrono::hours(24));
  ASSERT_THAT(lines(), SizeIs(1));
  EXPECT_THAT(lines()[0], HasSubstr("clock=2026-11-22T22:15:13.000Z own=2026-11-21T22:15:13.000Z"));
  EXPECT_EQ(metrics_.gauge(metrics::Metric::kClockAhead).value(), 24 * 3600);
  look(Milliseconds(0));
  EXPECT_THAT(lines(), SizeIs(2));
  EXPECT_EQ(metrics_.gauge(metrics::Metric::kClockAhead).value(), 0);
}

TEST_F(ClockWatchTest, OneThatCannotBeRightIsToldAtStart) {
  clock_.begun = *parse_utc("1970-01-01T00:00:20Z");
  look(Milliseconds(0));
  look(Milliseconds(0));
  ASSERT_THAT(lines(), SizeIs(1));
  EXPECT_THAT(lines()[0], HasSubstr("the system clock is wrong"));
}

}  // namespace
}  // namespace postrider::daemon
