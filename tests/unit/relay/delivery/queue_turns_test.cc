#include "relay/delivery/queue_turns.h"

#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

#include "relay/base/random.h"

namespace postrider::delivery {
namespace {

using queue::Band;
using Id = QueueTurns::Id;

// The site, as its turns are had.
class QueueTurnsTest : public testing::Test {
 protected:
  void join(const QueueTurns::Member& queue) {
    turns_.join(queue);
    queues_[queue.id] = queue;
  }

  void leave(Id id) {
    turns_.leave(queues_.at(id));
    queues_.erase(id);
  }

  Id turn() {
    const auto next = turns_.next();
    if (!next) ADD_FAILURE() << "nobody is next";
    turns_.take(queues_.at(*next));
    return *next;
  }

  // Turns by tenant, of so many.
  std::map<std::string, int> tenants(int count) {
    std::map<std::string, int> had;
    for (int i = 0; i < count; ++i) ++had[queues_.at(turn()).tenant];
    return had;
  }

  // Turns in a row of which one must be a queue's, as the header says.
  struct Bound {
    std::uint64_t of_band = 0;
    std::uint64_t of_tenant = 0;
    std::uint64_t of_queue = 0;

    [[nodiscard]] std::uint64_t turns() const { return of_band * of_tenant * of_queue; }
  };

  // With those that have mail waiting now.
  [[nodiscard]] Bound bound(const QueueTurns::Member& queue) const {
    static constexpr std::uint64_t kOfBand[] = {23, 8, 5};
    std::map<std::string, unsigned> tenants;
    std::uint64_t own = 0;
    for (const auto& [id, other] : queues_) {
      if (other.band != queue.band) continue;
      tenants[other.tenant] = other.weight;
      own += other.tenant == queue.tenant ? 1 : 0;
    }
    std::uint64_t sum = 0;
    for (const auto& [name, weight] : tenants) sum += weight;
    return {kOfBand[static_cast<std::size_t>(queue.band)],
            sum / queue.weight + 2 * (tenants.size() - 1), 2 * own - 1};
  }

  QueueTurns turns_;
  std::map<Id, QueueTurns::Member> queues_;
};

TEST_F(QueueTurnsTest, NobodyIsNext) {
  EXPECT_FALSE(turns_.next());
  join({1, Band::kLow, "a", 1});
  EXPECT_EQ(turns_.size(), 1U);
  const QueueTurns::Member gone = queues_.at(1);
  leave(1);
  turns_.leave(gone);
  EXPECT_FALSE(turns_.next());
  EXPECT_EQ(turns_.size(), 0U);
}

TEST_F(QueueTurnsTest, AWeightIsTheShareOfATenantHoweverManyQueuesOthersHave) {
  join({1, Band::kNormal, "shop", 3});
  for (Id id = 2; id < 52; ++id) join({id, Band::kNormal, "news", 1});
  const auto had = tenants(4000);
  EXPECT_EQ(had.at("shop"), 3000);
  EXPECT_EQ(had.at("news"), 1000);
}

TEST_F(QueueTurnsTest, TheQueuesOfATenantTakeTurns) {
  for (Id id = 1; id <= 5; ++id) join({id, Band::kNormal, "news", 1});
  std::map<Id, int> had;
  for (int i = 0; i < 50; ++i) ++had[turn()];
  for (const auto& [id, count] : had) EXPECT_EQ(count, 10) << id;
}

TEST_F(QueueTurnsTest, BandsHaveTheirSharesHoweverManyQueuesTheyHave) {
  join({1, Band::kHigh, "a", 1});
  join({2, Band::kNormal, "a", 1});
  for (Id id = 3; id < 50; ++id) join({id, Band::kLow, "t" + std::to_string(id), 9});
  std::map<Band, int> had;
  for (int i = 0; i < 2100; ++i) ++had[queues_.at(turn()).band];
  EXPECT_EQ(had[Band::kHigh], 1600);
  EXPECT_EQ(had[Band::kNormal], 400);
  EXPECT_EQ(had[Band::kLow], 100);
}

TEST_F(QueueTurnsTest, AHighQueueIsSoonNext) {
  for (Id id = 1; id < 100; ++id) {
    join({id, id % 2 == 0 ? Band::kLow : Band::kNormal, "t" + std::to_string(id % 7), 50});
  }
  for (int i = 0; i < 500; ++i) {
    join({100, Band::kHigh, "reset", 1});
    int waited = 1;
    while (turn() != 100) ++waited;
    ASSERT_LE(waited, 5);
    leave(100);
    for (std::uint64_t pause = 0; pause < static_cast<std::uint64_t>(i % 40); ++pause) turn();
  }
}

// Queues of all bands and of tenants of all weights come and go; what the bound of one that waits
// depends on is taken at its worst meanwhile.
TEST_F(QueueTurnsTest, NobodyStarves) {
  const std::uint64_t seed = SystemRandom().u64();
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRandom random(seed);
  constexpr Id kIds = 25;

  struct Wait {
    std::uint64_t turns = 0;
    Bound bound;
  };

  std::map<Id, Wait> waits;
  for (int i = 0; i < 10'000; ++i) {
    const Id id = random.below(kIds);
    if (!queues_.contains(id)) {
      // The tenant's number is the weight of it too.
      const unsigned tenant = 1 + static_cast<unsigned>(random.below(1 + random.below(30)));
      join({id, static_cast<Band>(random.below(queue::kBands)), "t" + std::to_string(tenant),
            tenant});
      waits[id] = {};
    } else if (random.below(3) == 0) {
      leave(id);
      waits.erase(id);
    }
    if (queues_.empty()) continue;
    for (auto& [waiting, wait] : waits) {
      const Bound now = bound(queues_.at(waiting));
      wait.bound = {now.of_band, std::max(wait.bound.of_tenant, now.of_tenant),
                    std::max(wait.bound.of_queue, now.of_queue)};
    }
    const Id next = turn();
    for (auto& [waiting, wait] : waits) {
      ++wait.turns;
      ASSERT_LE(wait.turns, wait.bound.turns()) << "queue " << waiting << ", step " << i;
    }
    waits[next] = {};
  }
}

}  // namespace
}  // namespace postrider::delivery
