#include "relay/base/guarded.h"

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <thread>
#include <vector>

namespace postrider {
namespace {

TEST(Guarded, StartsWithItsValue) {
  Guarded<std::unique_ptr<int>> guarded(std::make_unique<int>(3));
  EXPECT_EQ(**guarded.lock(), 3);
  Guarded<int> empty;
  EXPECT_EQ(*empty.lock(), 0);
}

TEST(Guarded, KeepsThreadsApart) {
  Guarded<std::map<int, int>> counts;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&counts] {
      for (int i = 0; i < 2000; ++i) ++(*counts.lock())[i % 10];
    });
  }
  for (auto& thread : threads) thread.join();
  for (int key = 0; key < 10; ++key) EXPECT_EQ((*counts.lock())[key], 800);
}

TEST(Guarded, WaitsForAConditionWithTheMutexReleased) {
  Guarded<bool> ready;
  std::condition_variable changed;
  std::thread setter([&] {
    *ready.lock() = true;
    changed.notify_one();
  });
  {
    auto held = ready.lock();
    changed.wait(held.mutex_lock(), [&] { return *held; });
    EXPECT_TRUE(*held);
  }
  setter.join();
}

}  // namespace
}  // namespace postrider
