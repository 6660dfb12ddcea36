#include "relay/policy/seats.h"

#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace postrider::policy {
namespace {

TEST(Seats, AreBoundedAndGivenBack) {
  const std::size_t max = 2;
  Seats seats(max);
  Seats::Seat one = seats.take();
  Seats::Seat other = seats.take();
  EXPECT_TRUE(one && other);
  EXPECT_FALSE(seats.take());
  EXPECT_EQ(seats.taken(), 2U);
  one.reset();
  one = std::move(other);
  EXPECT_EQ(seats.taken(), 1U);
  EXPECT_TRUE(seats.take());
}

TEST(Seats, WithoutALimitThereIsAlwaysOne) {
  const std::size_t none = 0;
  Seats seats(none);
  std::vector<Seats::Seat> taken;
  for (int i = 0; i < 1000; ++i) taken.push_back(seats.take());
  EXPECT_EQ(seats.taken(), 1000U);
}

TEST(Seats, CountRightFromManyThreads) {
  const std::size_t max = 3;
  Seats seats(max);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 5000; ++n) static_cast<void>(seats.take());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seats.taken(), 0U);
}

}  // namespace
}  // namespace postrider::policy
