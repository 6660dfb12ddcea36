#include "relay/event/signal.h"

#include <csignal>
#include <gtest/gtest.h>

#include "tests/unit/relay/event/event_fixture.h"

namespace postrider::event {
namespace {

using SignalTest = EventTest;

TEST_F(SignalTest, TellsEachArrival) {
  int arrived = 0;
  const Signal signal = *Signal::create(*loop_, SIGUSR1, [&arrived] { ++arrived; });
  for (int expected = 1; expected <= 3; ++expected) {
    ASSERT_EQ(std::raise(SIGUSR1), 0);
    EXPECT_TRUE(run_until([&] { return arrived == expected; }));
  }
}

TEST_F(SignalTest, TellsOnlyItsOwnNumber) {
  int user = 0, hangup = 0;
  const Signal one = *Signal::create(*loop_, SIGUSR1, [&user] { ++user; });
  const Signal other = *Signal::create(*loop_, SIGHUP, [&hangup] { ++hangup; });
  ASSERT_EQ(std::raise(SIGHUP), 0);
  EXPECT_TRUE(run_until([&] { return hangup == 1; }));
  EXPECT_EQ(user, 0);
}

TEST_F(SignalTest, MayDestroyItself) {
  std::optional<Signal> signal;
  const auto owned = std::make_shared<int>(1);
  signal.emplace(*Signal::create(*loop_, SIGUSR1, [&signal, owned] { signal.reset(); }));
  ASSERT_EQ(std::raise(SIGUSR1), 0);
  EXPECT_TRUE(run_until([&] { return !signal; }));
  EXPECT_EQ(owned.use_count(), 1);
}

TEST_F(SignalTest, WatchedOnceEndsTheProcessNeverAgain) {
  {
    const Signal signal = *Signal::create(*loop_, SIGUSR2, [] {});
  }
  // Would end this process.
  EXPECT_EQ(std::raise(SIGUSR2), 0);
}

TEST_F(SignalTest, RefusesWhatCannotBeCaught) {
  const auto signal = Signal::create(*loop_, SIGKILL, [] {});
  ASSERT_FALSE(signal);
  EXPECT_EQ(signal.error().text(), "watching signal 9: Invalid argument");
}

TEST_F(SignalTest, ABrokenPipeIsNoEnd) {
  // Would end this process were it not ignored since the loop was created.
  EXPECT_EQ(std::raise(SIGPIPE), 0);
}

}  // namespace
}  // namespace postrider::event
