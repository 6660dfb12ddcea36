#include "relay/delivery/backlog.h"

#include <gmock/gmock.h>
#include <map>
#include <set>

#include "tests/unit/relay/delivery/delivery_fixture.h"

namespace postrider::delivery {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class BacklogTest : public DeliveryTest {
 protected:
  // Leases must not outlive the queue.
  ~BacklogTest() override {
    leases_out_.clear();
    backlog_.take_all();
  }

  void give(const std::string& to, std::size_t count) {
    if (!queue_) open();
    for (std::size_t i = 0; i < count; ++i) backlog_.push(lease_of({.to = {to}}));
  }

  // The domain whose turn it is.
  std::string take(TimePoint now = {}) {
    auto lease = backlog_.take(now);
    if (!lease) return "";
    std::string domain = lease->domain();
    leases_out_.push_back(std::move(*lease));
    return domain;
  }

  // Of a tenant, in a band.
  void give(const std::string& tenant, queue::Band band, std::size_t count) {
    if (!queue_) open();
    for (std::size_t i = 0; i < count; ++i) {
      backlog_.push(lease_of({.to = {"x@a.example"}, .tenant = tenant, .band = band}));
    }
  }

  policy::TenantWeights weights_{{"shop", 3}};
  Backlog backlog_{policy::Rate(), weights_};
  std::vector<queue::Lease> leases_out_;
};

TEST_F(BacklogTest, QueuesTakeTurns) {
  give("x@a.example", 4);
  give("x@b.example", 1);
  give("x@c.example", 2);
  EXPECT_EQ(backlog_.size(), 7U);
  std::vector<std::string> order;
  for (int i = 0; i < 7; ++i) order.push_back(take());
  EXPECT_THAT(order, ElementsAre("a.example", "b.example", "c.example", "a.example", "c.example",
                                 "a.example", "a.example"));
  EXPECT_EQ(take(), "");
  EXPECT_TRUE(backlog_.empty());
  EXPECT_EQ(backlog_.ready_at({}), TimePoint::max());
}

TEST_F(BacklogTest, TenantsTakeTurnsByTheirWeights) {
  give("shop", queue::Band::kNormal, 9);
  give("news", queue::Band::kNormal, 9);
  std::map<std::string, int> had;
  for (int i = 0; i < 8; ++i) {
    leases_out_.push_back(*backlog_.take({}));
    ++had[leases_out_.back().message().envelope.tenant];
  }
  EXPECT_EQ(had["shop"], 6);
  EXPECT_EQ(had["news"], 2);
}

TEST_F(BacklogTest, AHigherBandOfTheSameQueueOvertakes) {
  give("news", queue::Band::kLow, 9);
  give("news", queue::Band::kHigh, 3);
  int high = 0;
  for (int i = 0; i < 4; ++i) {
    leases_out_.push_back(*backlog_.take({}));
    if (leases_out_.back().message().band == queue::Band::kHigh) ++high;
  }
  EXPECT_EQ(high, 3);
}

TEST_F(BacklogTest, TheOldestOfAQueueGoesFirst) {
  open();
  std::vector<queue::Lease> leases = some_leases(3);
  const queue::MessageId first = leases[0].message().id;
  for (const std::size_t i : {2U, 0U, 1U}) backlog_.push(std::move(leases[i]));
  EXPECT_EQ(backlog_.take({})->message().id, first);
}

TEST_F(BacklogTest, AQueueWaitsForItsRateAndOthersDoNot) {
  backlog_ = Backlog(policy::Rate{1, Seconds(10)}, weights_);
  give("x@a.example", 3);
  give("x@b.example", 1);
  const TimePoint now{Seconds(100)};
  EXPECT_EQ(take(now), "a.example");
  EXPECT_EQ(take(now), "b.example");
  EXPECT_EQ(take(now), "");
  const TimePoint next = backlog_.ready_at(now);
  EXPECT_GT(next, now + Seconds(9));
  EXPECT_LE(next, now + Seconds(10));
  EXPECT_EQ(take(next), "a.example");
  EXPECT_EQ(take(next), "");
}

TEST_F(BacklogTest, TheRateOfAQueueOutlastsIt) {
  backlog_ = Backlog(policy::Rate{1, Seconds(10)}, weights_);
  give("x@a.example", 1);
  const TimePoint now{Seconds(100)};
  EXPECT_EQ(take(now), "a.example");
  give("x@a.example", 1);
  EXPECT_EQ(take(now + Seconds(1)), "");
  EXPECT_EQ(take(now + Seconds(11)), "a.example");
}

TEST_F(BacklogTest, ShedsTheNewestOfTheLongest) {
  give("x@a.example", 5);
  give("x@b.example", 2);
  std::map<std::string, int> shed;
  while (auto lease = backlog_.shed(4)) {
    ++shed[lease->domain()];
    leases_out_.push_back(std::move(*lease));
  }
  EXPECT_EQ(shed["a.example"], 3);
  EXPECT_EQ(shed.count("b.example"), 0U);
  EXPECT_EQ(backlog_.size(), 4U);
}

TEST_F(BacklogTest, WhatARateWillNotLetThroughSoonIsShedWithATime) {
  backlog_ = Backlog(policy::Rate{1, Seconds(10)}, weights_);
  give("x@a.example", Backlog::kKeepMin + 2);
  const TimePoint now{Seconds(100)};
  auto first = backlog_.shed_late(now);
  ASSERT_TRUE(first);
  EXPECT_GE(first->at, now + Seconds(99));
  auto second = backlog_.shed_late(now);
  ASSERT_TRUE(second);
  EXPECT_GE(second->at, first->at + Seconds(10));
  EXPECT_FALSE(backlog_.shed_late(now));
  EXPECT_EQ(backlog_.size(), Backlog::kKeepMin);
}

TEST_F(BacklogTest, KeepsWhatGoesWithinAWhile) {
  EXPECT_EQ(Backlog::kept_of(policy::RateLimit(policy::Rate{1, Seconds(60)})), Backlog::kKeepMin);
  const std::size_t kept = Backlog::kept_of(policy::RateLimit(policy::Rate{100, Seconds(1)}));
  EXPECT_GT(kept, 900U);
  EXPECT_LE(kept, 1000U);
  EXPECT_GT(Backlog::kept_of(policy::RateLimit()), 1'000'000'000U);
}

TEST_F(BacklogTest, WhatHasWaitedTooLongIsTakenOut) {
  open();
  const TimePoint now{Seconds(100)};
  for (const int wait : {30, 10, 20}) backlog_.push(a_lease(), now + Seconds(wait));
  EXPECT_EQ(backlog_.overdue_at(), now + Seconds(10));
  EXPECT_THAT(backlog_.take_overdue(now + Seconds(9)), SizeIs(0));
  EXPECT_THAT(backlog_.take_overdue(now + Seconds(20)), SizeIs(2));
  EXPECT_EQ(backlog_.size(), 1U);
  EXPECT_EQ(backlog_.overdue_at(), now + Seconds(30));
  leases_out_.push_back(*backlog_.take(now));
  EXPECT_EQ(backlog_.overdue_at(), TimePoint::max());
}

TEST_F(BacklogTest, WhatHasWaitedTooLongIsNotLookedForAllTheTime) {
  open();
  const TimePoint now{Seconds(100)};
  for (const int wait : {1000, 1001}) backlog_.push(a_lease(), now + Milliseconds(wait));
  EXPECT_THAT(backlog_.take_overdue(now + Milliseconds(1000)), SizeIs(1));
  EXPECT_EQ(backlog_.overdue_at(), now + Milliseconds(2000));
  EXPECT_THAT(backlog_.take_overdue(now + Milliseconds(2000)), SizeIs(1));
}

TEST_F(BacklogTest, GivesAllBack) {
  give("x@a.example", 2);
  give("x@b.example", 1);
  leases_out_ = backlog_.take_all();
  EXPECT_THAT(leases_out_, SizeIs(3));
  EXPECT_TRUE(backlog_.empty());
  give("x@a.example", 1);
  EXPECT_EQ(take(), "a.example");
}

}  // namespace
}  // namespace postrider::delivery
