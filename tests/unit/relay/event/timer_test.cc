#include "relay/event/timer.h"

#include <gmock/gmock.h>

#include "tests/unit/relay/event/event_fixture.h"

namespace postrider::event {
namespace {

using ::testing::ElementsAre;

class TimerTest : public EventTest {
 protected:
  static TimePoint in(Duration delay) { return std::chrono::steady_clock::now() + delay; }

  // Turns the loop for about `time`; for showing that nothing happens.
  void run_for(Duration time) {
    const TimePoint end = in(time);
    run_until([end] { return std::chrono::steady_clock::now() >= end; });
  }

  Timer recording(char name) {
    return Timer(*loop_, [this, name] { fired_ += name; });
  }

  std::string fired_;
};

TEST_F(TimerTest, FiresInTheOrderOfDeadlines) {
  Timer a = recording('a'), b = recording('b'), c = recording('c');
  const TimePoint start = in(Milliseconds(5));
  c.arm(start + Milliseconds(4));
  a.arm(start);
  b.arm(start + Milliseconds(2));
  EXPECT_TRUE(run_until([this] { return fired_.size() == 3; }));
  EXPECT_EQ(fired_, "abc");
}

TEST_F(TimerTest, EqualDeadlinesFireInTheOrderOfArming) {
  Timer a = recording('a'), b = recording('b');
  const TimePoint due = in(Milliseconds(2));
  b.arm(due);
  a.arm(due);
  EXPECT_TRUE(run_until([this] { return fired_.size() == 2; }));
  EXPECT_EQ(fired_, "ba");
}

TEST_F(TimerTest, NeverFiresEarly) {
  for (int i = 0; i < 20; ++i) {
    const TimePoint due = in(std::chrono::microseconds(137 * i));
    std::optional<TimePoint> fired;
    Timer timer(*loop_, [&fired] { fired = std::chrono::steady_clock::now(); });
    timer.arm(due);
    ASSERT_TRUE(run_until([&fired] { return fired.has_value(); }));
    EXPECT_GE(*fired, due);
  }
}

TEST_F(TimerTest, APastDeadlineFiresInTheNextTurn) {
  Timer timer = recording('a');
  timer.arm(TimePoint{});
  EXPECT_EQ(fired_, "");
  loop_->poll_once();
  EXPECT_EQ(fired_, "a");
}

TEST_F(TimerTest, FiresOncePerArm) {
  Timer timer = recording('a');
  timer.arm(TimePoint{});
  turn(10);
  EXPECT_EQ(fired_, "a");
  timer.arm(TimePoint{});
  turn(10);
  EXPECT_EQ(fired_, "aa");
}

TEST_F(TimerTest, ArmingReplacesTheDeadline) {
  Timer later = recording('l'), sooner = recording('s');
  later.arm(TimePoint{});
  later.arm(in(Seconds(3600)));
  sooner.arm(in(Seconds(3600)));
  sooner.arm(TimePoint{});
  turn(5);
  EXPECT_EQ(fired_, "s");
}

TEST_F(TimerTest, DoesNotFireAfterDisarm) {
  Timer timer = recording('a');
  timer.arm(TimePoint{});
  timer.disarm();
  Timer never = recording('n');
  never.arm(TimePoint{});
  never.arm(TimePoint::max());
  turn(5);
  EXPECT_EQ(fired_, "");
}

TEST_F(TimerTest, MayReArmItself) {
  std::optional<Timer> timer;
  int count = 0;
  timer.emplace(*loop_, [&] {
    if (++count < 5) timer->arm(in(Milliseconds(1)));
  });
  timer->arm(TimePoint{});
  EXPECT_TRUE(run_until([&] { return count == 5; }));
}

TEST_F(TimerTest, MayDestroyItself) {
  std::optional<Timer> timer;
  const auto owned = std::make_shared<int>(1);
  timer.emplace(*loop_, [&timer, owned] { timer.reset(); });
  timer->arm(TimePoint{});
  turn(3);
  EXPECT_FALSE(timer);
  EXPECT_EQ(owned.use_count(), 1);
}

TEST_F(TimerTest, MayDestroyAnotherThatIsDue) {
  std::optional<Timer> victim;
  Timer killer(*loop_, [&victim] { victim.reset(); });
  victim.emplace(*loop_, [this] { fired_ += 'v'; });
  killer.arm(TimePoint{});
  victim->arm(TimePoint{});
  turn(3);
  EXPECT_EQ(fired_, "");
}

TEST_F(TimerTest, StaysArmedWhenMoved) {
  Timer timer = recording('a');
  timer.arm(TimePoint{});
  Timer moved = std::move(timer);
  Timer target = recording('t');
  target.arm(TimePoint{});
  target = std::move(moved);
  turn(3);
  EXPECT_EQ(fired_, "a");
}

// With libuv's own rule the two would take turns for ever within one turn of the loop.
TEST_F(TimerTest, TimersForNowDoNotStarveTheLoop) {
  std::optional<Timer> one, other;
  int fired = 0;
  one.emplace(*loop_, [&] { other->arm(TimePoint{}), ++fired; });
  other.emplace(*loop_, [&] { one->arm(TimePoint{}), ++fired; });
  one->arm(TimePoint{});
  loop_->poll_once();
  EXPECT_EQ(fired, 1);
  EXPECT_TRUE(run_until([&] { return fired > 4; }));
}

TEST_F(TimerTest, WaitsForADistantDeadline) {
  Timer timer = recording('a');
  timer.arm(TimePoint::max() - Duration(1));
  run_for(Milliseconds(5));
  EXPECT_EQ(fired_, "");
}

}  // namespace
}  // namespace postrider::event
