#include "queue/wake_order.h"

#include <gtest/gtest.h>
#include <set>
#include <utility>

#include "relay/base/random.h"

namespace postrider::queue {
namespace {

WallTime at(std::uint64_t milliseconds) {
  return WallTime(Milliseconds(static_cast<std::int64_t>(milliseconds)));
}

TEST(WakeOrder, TheEarliestIsFirstAndOfOneTimeTheOlder) {
  WakeOrder order;
  QueueEntry old("a", 1);
  QueueEntry young("b", 2);
  QueueEntry early("c", 3);
  EXPECT_TRUE(order.empty());
  EXPECT_TRUE(order.insert(young, at(5)));
  EXPECT_TRUE(order.insert(old, at(5)));
  EXPECT_TRUE(order.insert(early, at(4)));
  EXPECT_EQ(order.at(young), at(5));
  EXPECT_EQ(&order.first(), &early);
  order.erase(early);
  EXPECT_EQ(&order.first(), &old);
  EXPECT_FALSE(order.insert(early, at(6)));
  order.erase(old);
  order.erase(young);
  EXPECT_EQ(order.first_at(), at(6));
  order.erase(early);
  EXPECT_TRUE(order.empty());
}

// Against an ordered set, from wherever a queue leaves.
TEST(WakeOrder, AgreesWithAnOrderedSet) {
  constexpr std::size_t kQueues = 200;
  SeededRandom random(7);
  std::vector<std::unique_ptr<QueueEntry>> queues;
  for (std::size_t i = 0; i < kQueues; ++i) queues.push_back(std::make_unique<QueueEntry>("q", i));
  WakeOrder order;
  std::set<std::pair<WallTime, std::uint64_t>> model;
  std::vector<bool> is_in(kQueues);
  for (int step = 0; step < 20'000; ++step) {
    QueueEntry& queue = *queues[random.below(kQueues)];
    if (is_in[queue.serial]) {
      model.erase({order.at(queue), queue.serial});
      order.erase(queue);
    } else {
      const WallTime time = at(random.below(50));
      model.emplace(time, queue.serial);
      EXPECT_EQ(order.insert(queue, time), model.begin()->second == queue.serial);
    }
    is_in[queue.serial] = !is_in[queue.serial];
    ASSERT_EQ(order.empty(), model.empty());
    if (model.empty()) continue;
    ASSERT_EQ(order.first().serial, model.begin()->second);
    ASSERT_EQ(order.first_at(), model.begin()->first);
  }
}

}  // namespace
}  // namespace postrider::queue
