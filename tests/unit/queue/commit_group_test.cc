// What a submission may ask for: when to begin, and how urgent it is.
#include "queue/commit_group.h"

#include <gtest/gtest.h>

#include "tests/unit/queue/world.h"

namespace postrider::queue {
namespace {

TEST(Submitting, NothingIsAttemptedBeforeItsTime) {
  World world;
  Submission submission = world.message({"b@one.example", "b@two.example"});
  submission.not_before = world.clock.wall() + std::chrono::hours(1);
  submission.band = Band::kHigh;
  ASSERT_EQ(world.submit(std::move(submission)), Refusal::kNone);
  EXPECT_TRUE(world.leases.empty());
  world.kill();
  world.open();
  world.advance(std::chrono::minutes(59));
  EXPECT_TRUE(world.leases.empty());
  world.advance(std::chrono::minutes(1));
  ASSERT_EQ(world.leases.size(), 2U);
  EXPECT_EQ(world.leases[0].message().band, Band::kHigh);
  EXPECT_EQ(world.leases[0].attempts(), 0U);
  // A time that is over is no time; the furthest is no hold.
  submission = world.message({"b@three.example"});
  submission.not_before = world.clock.wall() - std::chrono::hours(1);
  ASSERT_EQ(world.submit(std::move(submission)), Refusal::kNone);
  EXPECT_EQ(world.leases.size(), 3U);
  submission = world.message({"b@four.example"});
  submission.not_before = WallTime::max();
  ASSERT_EQ(world.submit(std::move(submission)), Refusal::kNone);
  EXPECT_EQ(world.core->stats().on_hold, 0U);
}

TEST(Submitting, BandsHaveQueuesOfTheirOwnAndTheHigherGoesFirst) {
  World world;
  for (const Band band : {Band::kLow, Band::kNormal, Band::kHigh}) {
    Submission submission = world.message({"b@one.example"});
    submission.band = band;
    ASSERT_EQ(world.submit(std::move(submission)), Refusal::kNone);
  }
  EXPECT_EQ(world.core->stats().queues, 3U);
  world.kill();
  world.open();
  EXPECT_EQ(world.core->stats().queues, 3U);
  world.settle();
  ASSERT_EQ(world.leases.size(), 3U);
  for (const Band band : {Band::kHigh, Band::kNormal, Band::kLow}) {
    EXPECT_EQ(world.take().message().band, band);
  }
}

}  // namespace
}  // namespace postrider::queue
