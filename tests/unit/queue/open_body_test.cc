// Texts that are written while they arrive.
#include "queue/open_body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/queue/fsck.h"
#include "tests/unit/queue/world.h"

namespace postrider::queue {
namespace {

using ::testing::IsEmpty;

constexpr std::size_t kEmptyStore = 2;  // schema and totals
constexpr std::size_t kUnit = OpenBody::kPartUnit;

std::string of_size(std::size_t size) {
  return std::string(size, 'x');
}

TEST(OpenBody, BecomesPartOfAMessage) {
  World world;
  std::string text;
  Submission submission = world.large_message(text, 6);
  EXPECT_EQ(submission.size(), text.size());
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
  EXPECT_EQ(world.submit(std::move(submission)), Refusal::kNone);
  EXPECT_THAT(Fsck::check(world.store), IsEmpty());
  EXPECT_EQ(world.core->stats().bytes, text.size());
  Lease lease = world.take();
  EXPECT_FALSE(lease.body());  // most of it was not in memory any more
  EXPECT_EQ(lease.message().pieces(), 2U);
  EXPECT_TRUE(world.read_pieces(lease) == text);
  EXPECT_TRUE(world.read_whole(lease) == text);
  world.finish(std::move(lease), Fate::kDelivered);
  EXPECT_EQ(world.store.size(), kEmptyStore);
}

// Every number of chunks around the ends of pieces.
TEST(OpenBody, IsReadInAsManyPiecesAsItHas) {
  for (const std::size_t parts : {0U, 1U, 2U, 3U, 4U, 7U, 8U}) {
    for (const std::size_t rest : {std::size_t{0}, std::size_t{1}, kUnit - 1, kUnit, kUnit + 1}) {
      World world;
      std::string text;
      EXPECT_EQ(world.submit(world.large_message(text, parts, of_size(rest))), Refusal::kNone);
      Lease lease = world.take();
      EXPECT_TRUE(world.read_pieces(lease) == text) << parts << " and " << rest;
      EXPECT_TRUE(world.read_whole(lease) == text) << parts << " and " << rest;
      EXPECT_THAT(Fsck::check(world.store), IsEmpty());
      world.finish(std::move(lease), Fate::kDelivered);
      EXPECT_EQ(world.store.size(), kEmptyStore);
    }
  }
}

TEST(OpenBody, ItsFrontHasAnyLength) {
  for (const std::size_t front : {std::size_t{1}, kUnit, kUnit + 1, OpenBody::kFrontMax}) {
    World world;
    std::string text;
    const std::string from = of_size(front);
    EXPECT_EQ(world.submit(world.large_message(text, 4, "end\r\n", from)), Refusal::kNone);
    Lease lease = world.take();
    EXPECT_EQ(lease.message().front, front);
    EXPECT_TRUE(world.read_pieces(lease) == text);
    EXPECT_THAT(Fsck::check(world.store), IsEmpty());
    world.finish(std::move(lease), Fate::kDelivered);
    EXPECT_EQ(world.store.size(), kEmptyStore);
  }
}

}  // namespace
}  // namespace postrider::queue
