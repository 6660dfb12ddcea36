#include "relay/base/thread_pool.h"

#include <atomic>
#include <future>
#include <gtest/gtest.h>

namespace postrider {
namespace {

using Call = ThreadPool::Call;

TEST(ThreadPool, RunsEachJobOnce) {
  std::atomic<int> run{0};
  std::promise<void> last;
  ThreadPool pool("test", 3, 1000);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(pool.submit([&](Call call) {
      EXPECT_EQ(call, Call::kRun);
      if (++run == 100) last.set_value();
    }));
  }
  last.get_future().wait();
  EXPECT_EQ(run, 100);
}

TEST(ThreadPool, TheQueueIsBounded) {
  std::promise<void> entered;
  std::promise<void> open;
  std::vector<Call> calls;
  {
    ThreadPool pool("test", 1, 2);
    ASSERT_TRUE(pool.submit([&](Call) {
      entered.set_value();
      open.get_future().wait();
    }));
    entered.get_future().wait();
    EXPECT_TRUE(pool.submit([&](Call call) { calls.push_back(call); }));
    EXPECT_TRUE(pool.submit([&](Call call) {
      calls.push_back(call);
      open.set_value();  // the thread is held until those that wait have been told
    }));
    EXPECT_FALSE(pool.submit([&](Call call) { calls.push_back(call); }));
  }
  EXPECT_EQ(calls, (std::vector<Call>{Call::kStopped, Call::kStopped}));
}

TEST(ThreadPool, WhatIsPostedIsNotRefused) {
  std::promise<void> entered;
  std::promise<void> open;
  std::promise<Call> posted;
  ThreadPool pool("test", 1, 1);
  ASSERT_TRUE(pool.submit([&](Call) {
    entered.set_value();
    open.get_future().wait();
  }));
  entered.get_future().wait();
  EXPECT_TRUE(pool.submit([](Call) {}));
  EXPECT_FALSE(pool.submit([](Call) {}));
  pool.post([&](Call call) { posted.set_value(call); });
  open.set_value();
  EXPECT_EQ(posted.get_future().get(), Call::kRun);
}

// A pool whose one thread is held until the test lets it go.
class HeldPool : public ::testing::Test {
 protected:
  HeldPool() {
    pool_.submit([this](Call) {
      entered_.set_value();
      open_.get_future().wait();
    });
    entered_.get_future().wait();
  }

  bool submit(char name, ThreadPool::Turn turn) {
    return pool_.submit([this, name](Call) { done_ += name; }, turn);
  }

  // Lets it go, and waits until all that was submitted is done.
  void finish() {
    std::promise<void> last;
    ASSERT_TRUE(pool_.submit([&last](Call) { last.set_value(); }));
    open_.set_value();
    last.get_future().wait();
  }

  std::string done_;  // the jobs, in order
  std::promise<void> entered_;
  std::promise<void> open_;
  ThreadPool pool_{"test", 1, 3};
};

TEST_F(HeldPool, ThoseThatComeFirstAreDoneFirst) {
  EXPECT_TRUE(submit('c', ThreadPool::Turn::kUsual));
  EXPECT_TRUE(submit('a', ThreadPool::Turn::kFirst));
  EXPECT_TRUE(submit('d', ThreadPool::Turn::kUsual));
  EXPECT_TRUE(submit('b', ThreadPool::Turn::kFirst));
  finish();
  EXPECT_EQ(done_, "abcd");
}

TEST_F(HeldPool, TheyHavePlacesOfTheirOwn) {
  while (submit('b', ThreadPool::Turn::kUsual)) {
  }
  EXPECT_TRUE(submit('a', ThreadPool::Turn::kFirst));
  open_.set_value();
}

}  // namespace
}  // namespace postrider
