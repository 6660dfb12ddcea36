#include "relay/policy/fair_turns.h"

#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

#include "relay/base/random.h"

namespace postrider::policy {
namespace {

using Id = unsigned;
using Turns = FairTurns<Id>;

// Takes the next turn.
Id turn(Turns& turns) {
  const Id* next = turns.next();
  EXPECT_NE(next, nullptr);
  turns.take(*next);
  return *next;
}

TEST(FairTurns, EqualsTakeTurns) {
  Turns turns;
  for (const Id id : {7U, 3U, 5U}) turns.join(id, 1);
  std::vector<Id> order;
  for (int i = 0; i < 6; ++i) order.push_back(turn(turns));
  EXPECT_EQ(order, (std::vector<Id>{7, 3, 5, 7, 3, 5}));
}

TEST(FairTurns, AWeightIsAShare) {
  Turns turns;
  turns.join(1, 1);
  turns.join(2, 3);
  turns.join(3, 6);
  std::map<Id, int> had;
  for (int i = 0; i < 1000; ++i) ++had[turn(turns)];
  EXPECT_EQ(had[1], 100);
  EXPECT_EQ(had[2], 300);
  EXPECT_EQ(had[3], 600);
}

TEST(FairTurns, NobodyIsNext) {
  Turns turns;
  EXPECT_FALSE(turns.next());
  turns.join(1, 1);
  turns.leave(1);
  turns.leave(1);
  EXPECT_FALSE(turns.next());
}

TEST(FairTurns, HavingHadNoWorkEarnsNothing) {
  Turns turns;
  turns.join(1, 1);
  for (int i = 0; i < 1000; ++i) turn(turns);
  turns.join(2, 1);
  std::map<Id, int> had;
  for (int i = 0; i < 10; ++i) ++had[turn(turns)];
  EXPECT_EQ(had[1], 5);
  EXPECT_EQ(had[2], 5);
}

TEST(FairTurns, ATurnThatCouldNotBeUsedIsNotSavedUp) {
  Turns turns;
  turns.join(1, 1);
  turns.join(2, 1);
  for (int i = 0; i < 100; ++i) turns.take(2);  // 1 may not yet
  std::map<Id, int> had;
  turns.take(1);
  for (int i = 0; i < 10; ++i) ++had[turn(turns)];
  EXPECT_LE(had[1], 6);
}

TEST(FairTurns, LeavingAndJoiningAgainGainsNothing) {
  Turns turns;
  turns.join(1, 1);
  turns.join(2, 1);
  std::map<Id, int> had;
  for (int i = 0; i < 1000; ++i) {
    ++had[turn(turns)];
    turns.leave(2);
    turns.join(2, 1);
  }
  EXPECT_LE(had[2], 510);
}

// The bound of the header, with members that come and go.
TEST(FairTurns, NobodyStarves) {
  const std::uint64_t seed = SystemRandom().u64();
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRandom random(seed);
  Turns turns;
  std::map<Id, unsigned> weights;
  std::map<Id, std::map<Id, unsigned>> since;  // own turn or joining
  for (int i = 0; i < 20'000; ++i) {
    const Id id = static_cast<Id>(random.below(20));
    if (weights.contains(id) && random.below(4) == 0) {
      turns.leave(id);
      weights.erase(id);
      since.erase(id);
      for (auto& [waiting, had] : since) had.erase(id);
    } else if (!weights.contains(id)) {
      weights[id] = 1 + static_cast<unsigned>(random.below(50));
      turns.join(id, weights[id]);
      since[id] = {};
    }
    if (weights.empty()) continue;
    const Id next = turn(turns);
    since[next] = {};
    for (auto& [waiting, had] : since) {
      if (waiting == next) continue;
      const unsigned bound = (weights[next] + weights[waiting] - 1) / weights[waiting] + 1;
      ASSERT_LE(++had[next], bound) << "step " << i;
    }
  }
}

}  // namespace
}  // namespace postrider::policy
