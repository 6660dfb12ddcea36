#include "relay/event/loop.h"

#include <cerrno>
#include <future>
#include <gmock/gmock.h>

#include "relay/event/timer.h"
#include "tests/unit/relay/event/event_fixture.h"

namespace postrider::event {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using LoopTest = EventTest;

TEST_F(LoopTest, RunsTasksInOrder) {
  std::vector<int> ran;
  for (int i = 0; i < 3; ++i) loop_->post([&ran, i] { ran.push_back(i); });
  loop_->post([this] { loop_->stop(); });
  loop_->run();
  EXPECT_THAT(ran, ElementsAre(0, 1, 2));
}

TEST_F(LoopTest, ATaskPostedByATaskRunsInALaterTurn) {
  int ran = 0;
  loop_->post([&] {
    ++ran;
    loop_->post([&ran] { ++ran; });
  });
  loop_->poll_once();
  EXPECT_EQ(ran, 1);
  EXPECT_TRUE(run_until([&] { return ran == 2; }));
}

TEST_F(LoopTest, RunsEveryTaskOfEveryThreadInItsOrder) {
  constexpr int kThreads = 4, kTasks = 5000;
  std::vector<int> next(kThreads, 0);
  int ran = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTasks; ++i) {
        loop_->post([&, t, i] {
          EXPECT_EQ(next[t]++, i);
          if (++ran == kThreads * kTasks) loop_->stop();
        });
      }
    });
  }
  loop_->run();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(ran, kThreads * kTasks);
}

TEST_F(LoopTest, RunsOnAnotherThreadThanItWasCreatedOn) {
  EXPECT_TRUE(loop_->on_loop_thread());
  std::promise<bool> there;
  std::thread runner([this] { loop_->run(); });
  loop_->post([&] { there.set_value(loop_->on_loop_thread()); });
  EXPECT_TRUE(there.get_future().get());
  EXPECT_FALSE(loop_->on_loop_thread());
  EXPECT_FALSE(loop_->accessible());
  loop_->stop();
  runner.join();
  EXPECT_TRUE(loop_->accessible());
}

TEST_F(LoopTest, StopsFromAnotherThreadAndRunsAgain) {
  for (int round = 0; round < 20; ++round) {
    std::thread stopper([this] { loop_->stop(); });
    loop_->run();
    stopper.join();
  }
}

TEST_F(LoopTest, AStopBeforeTheRunIsNotLost) {
  bool ran = false;
  loop_->stop();
  loop_->run();
  loop_->post([&] {
    ran = true;
    loop_->stop();
  });
  loop_->run();
  EXPECT_TRUE(ran);
}

TEST_F(LoopTest, StopFromACallbackEndsTheRun) {
  Timer timer(*loop_, [this] { loop_->stop(); });
  timer.arm(TimePoint::min() + Seconds(1));
  loop_->run();
  turn(2);
}

TEST_F(LoopTest, TasksLeftOverAreDestroyedWithTheLoop) {
  const auto owned = std::make_shared<int>(1);
  bool ran = false;
  loop_->post([owned, &ran] { ran = true; });
  loop_.reset();
  EXPECT_EQ(owned.use_count(), 1);
  EXPECT_FALSE(ran);
}

TEST_F(LoopTest, ATaskLeftOverMayOwnObjectsOfTheLoop) {
  auto timer = std::make_unique<Timer>(*loop_, [] {});
  timer->arm(std::chrono::steady_clock::now() + Seconds(3600));
  loop_->post([timer = std::move(timer)] {});
  loop_.reset();
}

TEST_F(LoopTest, WhatATaskOwnsEndsWithTheTask) {
  const auto owned = std::make_shared<int>(1);
  long uses_in_next_task = 0;
  loop_->post([owned] {});
  loop_->post([&] { uses_in_next_task = owned.use_count(); });
  turn(2);
  EXPECT_EQ(uses_in_next_task, 1);
}

TEST(LoopDeathTest, AHandleLeftOpenIsABug) {
  EXPECT_DEATH(
      {
        auto loop = *Loop::create();
        new Timer(*loop, [] {});
        loop.reset();
      },
      "handles left open: timer");
}

TEST(LoopDeathTest, TouchingItsObjectsFromAnotherThreadIsABug) {
  EXPECT_DEATH(
      {
        auto loop = *Loop::create();
        Timer timer(*loop, [] {});
        std::promise<void> running;
        loop->post([&] { running.set_value(); });
        std::thread runner([&] { loop->run(); });
        running.get_future().wait();
        timer.arm(std::chrono::steady_clock::now());
      },
      "timer armed on a foreign thread");
}

TEST(Loop, SaysWhichLimitStopsIt) {
  ASSERT_TRUE(Loop::create());
  int limit = 0;
  const auto loop = [&limit] {
    const Exhaustion exhaustion;
    limit = exhaustion.limit();
    return Loop::create();
  }();
  ASSERT_FALSE(loop);
  EXPECT_THAT(loop.error().text(), HasSubstr("RLIMIT_NOFILE, is " + std::to_string(limit)));
  EXPECT_EQ(loop.error().system_code(), EMFILE);
}

}  // namespace
}  // namespace postrider::event
