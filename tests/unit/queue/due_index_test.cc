#include "queue/due_index.h"

#include <array>
#include <gtest/gtest.h>

#include "queue/low_water.h"

namespace postrider::queue {
namespace {

WallTime at(int milliseconds) {
  return WallTime(Milliseconds(milliseconds));
}

Position position(int due, std::uint64_t id) {
  return {at(due), {id, 0}, 0};
}

class DueIndexTest : public ::testing::Test {
 protected:
  QueueEntry& queue(const std::string& domain) { return index_.find_or_create({domain, "", ""}); }

  DueIndex index_{{4, 2}};
};

TEST_F(DueIndexTest, WakesInOrderOfTime) {
  index_.insert(queue("a"), position(20, 1));
  index_.insert(queue("b"), position(10, 2));
  EXPECT_EQ(index_.next_wake(), at(10));
  EXPECT_EQ(index_.next_scan(at(9)), nullptr);
  EXPECT_EQ(index_.next_scan(at(20)), &queue("b"));
  EXPECT_EQ(index_.next_scan(at(20)), &queue("a"));
}

// What many queues that only wait would fill memory with.
TEST_F(DueIndexTest, AQueueKeepsNothingBesidesItselfOnceItRests) {
  QueueEntry& a = queue("a");
  index_.insert(a, position(10, 1));
  EXPECT_EQ(a.work, nullptr);
  ASSERT_EQ(index_.next_scan(at(10)), &a);
  EXPECT_TRUE(index_.lease(a, position(10, 1)));
  index_.end_scan(a, Position::end(), at(10));
  EXPECT_NE(a.work, nullptr);
  EXPECT_EQ(DueIndex::due_bound(a), at(10));
  index_.release(position(10, 1).delivery());
  index_.insert(a, position(99, 1));
  EXPECT_EQ(a.work, nullptr);
  EXPECT_EQ(DueIndex::due_bound(a), at(99));
}

TEST_F(DueIndexTest, AnInsertBelowTheCursorLowersIt) {
  QueueEntry& a = queue("a");
  index_.insert(a, position(20, 1));
  index_.take_news();
  index_.insert(a, position(30, 2));
  EXPECT_FALSE(index_.take_news());
  index_.insert(a, position(5, 3));
  EXPECT_TRUE(index_.take_news());
  EXPECT_EQ(a.cursor, position(5, 3));
  EXPECT_EQ(index_.next_wake(), at(5));
}

TEST_F(DueIndexTest, AnInsertDuringAScanIsNotPassed) {
  QueueEntry& a = queue("a");
  index_.insert(a, position(10, 1));
  ASSERT_EQ(index_.next_scan(at(10)), &a);
  index_.insert(a, position(7, 2));  // the scan's view of the disk may not have it
  index_.end_scan(a, Position::end(), at(10));
  EXPECT_EQ(a.cursor, position(7, 2));
  EXPECT_EQ(index_.next_scan(at(10)), &a);
}

TEST_F(DueIndexTest, ALeaseIsExclusive) {
  QueueEntry& a = queue("a");
  EXPECT_TRUE(index_.lease(a, position(1, 1)));
  EXPECT_FALSE(index_.lease(a, position(1, 1)));
  EXPECT_FALSE(index_.hold(a, position(2, 1)));
  index_.release({{1, 0}, 0});
  EXPECT_TRUE(index_.hold(a, position(2, 1)));
}

TEST_F(DueIndexTest, AQueueAtItsLimitIsBlockedUntilOneEnds) {
  QueueEntry& a = queue("a");
  index_.lease(a, position(1, 1));
  index_.lease(a, position(1, 2));
  index_.insert(a, position(1, 3));
  EXPECT_EQ(index_.next_scan(at(5)), nullptr);
  EXPECT_EQ(a.place, Place::kBlocked);
  EXPECT_FALSE(index_.next_wake());
  index_.release({{1, 0}, 0});
  EXPECT_TRUE(index_.take_news());
  EXPECT_EQ(index_.next_scan(at(5)), &a);
}

TEST_F(DueIndexTest, AllLeasesTakenStopsEveryQueue) {
  for (std::uint64_t i = 1; i <= 4; ++i) {
    index_.lease(queue(i < 3 ? "a" : "b"), position(1, i));
  }
  index_.insert(queue("c"), position(1, 9));
  EXPECT_EQ(index_.next_scan(at(5)), nullptr);
  EXPECT_FALSE(index_.next_wake());
  index_.release({{1, 0}, 0});
  EXPECT_EQ(index_.next_scan(at(5)), &queue("c"));
}

TEST(DueIndexShares, AQueueThatHasNoneFindsOneHoweverManyAreSlow) {
  DueIndex index{{80, 80}};
  std::uint64_t id = 0;
  const auto take = [&](const std::string& domain) {
    const Position fresh = position(1, ++id);
    index.hold(index.find_or_create({domain, "", ""}), fresh);
    const bool leased = index.lease_fresh(fresh.delivery(), at(1));
    if (!leased) index.release(fresh.delivery());
    return leased;
  };
  for (int i = 0; i < 10; ++i) {
    for (int k = 0; k < 80; ++k) take("slow" + std::to_string(i));
  }
  EXPECT_TRUE(take("well"));
  EXPECT_LE(index.leases(), 80U);
}

TEST(DueIndexShares, BacklogsLeaveAnEighthToFreshMail) {
  DueIndex index{{80, 80}};
  std::uint64_t id = 0;
  for (int i = 0; i < 30; ++i) {
    index.insert(index.find_or_create({"slow" + std::to_string(i), "", ""}), position(1, ++id));
  }
  while (QueueEntry* queue = index.next_scan(at(5))) {
    for (std::size_t room = index.room(*queue); room > 0; --room) {
      index.lease(*queue, position(1, ++id));
    }
    index.end_scan(*queue, position(1, ++id), at(5));
  }
  EXPECT_EQ(index.leases(), 70U);
  EXPECT_FALSE(index.next_wake());
  index.hold(index.find_or_create({"well", "", ""}), position(1, ++id));
  EXPECT_TRUE(index.lease_fresh(position(1, id).delivery(), at(5)));
}

TEST(DueIndexShares, WhoHasFewestIsTheFirstToGetMore) {
  DueIndex index{{6, 6}};
  QueueEntry& many = index.find_or_create({"many", "", ""});
  QueueEntry& few = index.find_or_create({"few", "", ""});
  for (std::uint64_t i = 1; i <= 4; ++i) index.lease(many, position(1, i));
  for (std::uint64_t i = 5; i <= 6; ++i) index.lease(few, position(1, i));
  index.insert(many, position(1, 7));
  index.insert(few, position(1, 8));
  ASSERT_EQ(index.next_scan(at(5)), nullptr);
  for (std::uint64_t i = 1; i <= 3; ++i) index.release(position(1, i).delivery());
  EXPECT_EQ(many.place, Place::kReady);
  index.release(position(1, 5).delivery());
  EXPECT_EQ(few.place, Place::kReady);
  EXPECT_EQ(many.leases(), 1U);
}

class Bands : public ::testing::Test {
 protected:
  QueueEntry& queue(Band band, const std::string& domain = "a") {
    return index_.find_or_create({domain, "", "", band});
  }

  // Whose turn it is, with its queue ready again afterwards.
  Band turn() {
    QueueEntry* queue = index_.next_scan(at(10));
    if (queue == nullptr) {
      ADD_FAILURE() << "nobody's";
      return Band::kNormal;
    }
    index_.end_scan(*queue, position(5, 1), at(10));
    return queue->band();
  }

  void lease(Band band, int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(index_.lease(queue(band), position(1, ++id_)));
  }

  DueIndex index_{{32, 32}};
  std::uint64_t id_ = 0;
};

TEST_F(Bands, HigherOnesFirst) {
  for (const Band band : {Band::kLow, Band::kNormal, Band::kHigh}) {
    index_.insert(queue(band), position(5, 1));
  }
  for (const Band band : {Band::kHigh, Band::kNormal, Band::kLow}) {
    QueueEntry* next = index_.next_scan(at(10));
    ASSERT_NE(next, nullptr);
    EXPECT_EQ(next->band(), band);
    index_.end_scan(*next, Position::end(), at(10));
  }
}

// Both lower bands have more than nothing, however much is ready of the higher ones.
TEST_F(Bands, NoneIsPassedOverForEver) {
  for (const char* domain : {"a", "b", "c"}) {
    for (const Band band : {Band::kLow, Band::kNormal, Band::kHigh}) {
      index_.insert(queue(band, domain), position(5, 1));
    }
  }
  std::array<int, kBands> turns{};
  std::array<int, kBands> waited{};
  for (int i = 0; i < 1000; ++i) {
    const auto band = static_cast<std::size_t>(turn());
    ++turns[band];
    for (std::size_t other = 0; other < kBands; ++other) {
      waited[other] = other == band ? 0 : waited[other] + 1;
      // Two bands may be owed a turn at the same time.
      EXPECT_LE(waited[other], static_cast<int>(DueIndex::kPassedOverMax) + 1) << other;
    }
  }
  EXPECT_GE(turns[2], 750);
  EXPECT_GE(turns[0], 90);
}

TEST_F(Bands, LowerOnesLeaveLeasesForHigherOnes) {
  lease(Band::kLow, 28);  // an eighth is kept from them
  index_.insert(queue(Band::kLow), position(5, 99));
  EXPECT_EQ(index_.next_scan(at(10)), nullptr);
  lease(Band::kNormal, 2);  // and a sixteenth from these
  index_.insert(queue(Band::kNormal), position(5, 99));
  EXPECT_EQ(index_.next_scan(at(10)), nullptr);
  index_.hold(queue(Band::kNormal, "fresh"), position(5, 98));
  EXPECT_FALSE(index_.lease_fresh({{98, 0}, 0}, at(10)));
  index_.insert(queue(Band::kHigh), position(5, 99));
  EXPECT_EQ(index_.next_scan(at(10)), &queue(Band::kHigh));
  EXPECT_EQ(index_.room(queue(Band::kHigh)), 1U);  // half of those: another may need one
  lease(Band::kHigh, 2);
  EXPECT_EQ(index_.room(queue(Band::kHigh)), 0U);
}

// What ends of the high band is not taken by those that wait below.
TEST_F(Bands, AnEndOfAHigherOneHelpsOnlyThoseWhoMayHaveIt) {
  lease(Band::kHigh, 2);
  lease(Band::kNormal, 30);
  index_.insert(queue(Band::kNormal), position(5, 99));
  index_.insert(queue(Band::kHigh), position(5, 99));
  EXPECT_EQ(index_.next_scan(at(10)), nullptr);
  EXPECT_FALSE(index_.next_wake());
  index_.release({{1, 0}, 0});
  index_.release({{2, 0}, 0});
  EXPECT_TRUE(index_.take_news());
  EXPECT_EQ(index_.next_scan(at(10)), &queue(Band::kHigh));
  EXPECT_EQ(index_.next_scan(at(10)), nullptr);
}

TEST_F(DueIndexTest, FreshMailDoesNotOvertakeABacklog) {
  QueueEntry& a = queue("a");
  index_.insert(a, position(1, 1));
  index_.hold(a, position(5, 2));
  EXPECT_FALSE(index_.lease_fresh({{2, 0}, 0}, at(5)));
  index_.hold(queue("b"), position(5, 3));
  EXPECT_TRUE(index_.lease_fresh({{3, 0}, 0}, at(5)));
}

TEST_F(DueIndexTest, FreshMailPassesWhatIsNotDueYet) {
  QueueEntry& a = queue("a");
  index_.insert(a, position(100, 1));
  index_.hold(a, position(5, 2));
  EXPECT_TRUE(index_.lease_fresh({{2, 0}, 0}, at(5)));
}

TEST_F(DueIndexTest, WhatComesBackIsDueWithoutLoweringTheCursor) {
  QueueEntry& a = queue("a");
  index_.lease(a, position(1, 1));
  index_.put_back({{1, 0}, 0});
  EXPECT_EQ(a.cursor, Position::end());
  EXPECT_EQ(DueIndex::next_due(a), at(1));
  EXPECT_EQ(index_.next_scan(at(5)), &a);
  EXPECT_EQ(a.working().returned.size(), 1U);
}

TEST_F(DueIndexTest, WhoeverHoldsItTakesItFromTheReturned) {
  QueueEntry& a = queue("a");
  index_.lease(a, position(1, 1));
  index_.put_back({{1, 0}, 0});
  EXPECT_TRUE(index_.hold(a, position(1, 1)));
  EXPECT_TRUE(a.working().returned.empty());
  index_.put_back({{1, 0}, 0});
  EXPECT_EQ(a.working().returned.size(), 1U);
}

TEST_F(DueIndexTest, TheReturnedAreBounded) {
  DueIndex index{{100'000, 100'000}};
  QueueEntry& a = index.find_or_create({"a", "", ""});
  for (std::uint64_t i = 0; i <= DueIndex::kReturnedMax; ++i) {
    index.lease(a, position(3, i + 1));
    index.put_back({{i + 1, 0}, 0});
  }
  EXPECT_TRUE(a.working().returned.empty());
  EXPECT_EQ(a.cursor, position(3, 1));
}

TEST_F(DueIndexTest, TheBoundKnowsLeasedOnesToo) {
  QueueEntry& a = queue("a");
  index_.insert(a, position(50, 1));
  index_.lease(a, position(20, 2));
  EXPECT_EQ(DueIndex::due_bound(a), at(20));
  index_.leave_bound({{2, 0}, 0});
  EXPECT_EQ(DueIndex::due_bound(a), at(50));
  index_.enter_bound({{2, 0}, 0});
  EXPECT_EQ(DueIndex::due_bound(a), at(20));
}

TEST_F(DueIndexTest, RetiredQueuesGoWhenNothingIsLeft) {
  index_.lease(queue("a"), position(1, 1));
  index_.retire(queue("a"));
  index_.retire(queue("b"));
  index_.sweep();
  EXPECT_EQ(index_.queues().size(), 1U);
  index_.release({{1, 0}, 0});
  index_.sweep();
  EXPECT_TRUE(index_.queues().empty());
}

TEST_F(DueIndexTest, PausedGivesNothing) {
  index_.insert(queue("a"), position(1, 1));
  index_.pause(true);
  EXPECT_EQ(index_.next_scan(at(5)), nullptr);
  index_.pause(false);
  EXPECT_EQ(index_.next_scan(at(5)), &queue("a"));
}

TEST(LowWater, RisesOnlyToWhatAWalkMustHaveSeen) {
  LowWater water({5, 0});
  ASSERT_TRUE(water.begin_walk());
  EXPECT_FALSE(water.begin_walk());
  water.lower({8, 0});
  water.end_walk({9, 0});
  EXPECT_EQ(water.mark(), (MessageId{8, 0}));
  water.lower({3, 0});
  EXPECT_EQ(water.mark(), (MessageId{3, 0}));
  ASSERT_TRUE(water.begin_walk());
  water.abandon_walk();
  EXPECT_EQ(water.mark(), (MessageId{3, 0}));
}

}  // namespace
}  // namespace postrider::queue
