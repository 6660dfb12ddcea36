#include "queue/id.h"

#include <gtest/gtest.h>
#include <set>

#include "relay/base/ascii.h"
#include "tests/unit/queue/world.h"

namespace postrider::queue {
namespace {

TEST(MessageId, TextGoesThereAndBack) {
  SeededRandom random(7);
  for (int i = 0; i < 1000; ++i) {
    const MessageId id{random.u64(), random.u64()};
    const std::string text = id.to_string();
    ASSERT_EQ(text.size(), 26U);
    EXPECT_EQ(MessageId::parse(text), id);
    EXPECT_EQ(MessageId::parse(ascii::lower(text)), id);
  }
}

TEST(MessageId, TellsWhenItWasGiven) {
  ManualClock clock;
  SeededRandom random(7);
  EXPECT_EQ(IdSource(clock, random).next().time(), clock.wall());
}

TEST(MessageId, KnownTexts) {
  EXPECT_EQ((MessageId{0, 0}).to_string(), "00000000000000000000000000");
  EXPECT_EQ((MessageId{~0ULL, ~0ULL}).to_string(), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
  EXPECT_EQ((MessageId{0, 33}).to_string(), "00000000000000000000000011");
}

TEST(MessageId, TextSortsAsIdsDo) {
  SeededRandom random(8);
  for (int i = 0; i < 1000; ++i) {
    const MessageId a{random.u64(), random.u64()};
    const MessageId b{random.below(2) == 0 ? a.high : random.u64(), random.u64()};
    EXPECT_EQ(a < b, a.to_string() < b.to_string());
  }
}

TEST(MessageId, RefusesWhatIsNone) {
  for (const char* text : {"", "0", "0000000000000000000000000", "000000000000000000000000000",
                           "80000000000000000000000000", "0000000000000000000000000U",
                           "0000000000000000000000000I", "0000000000000000000000000-"}) {
    EXPECT_FALSE(MessageId::parse(text)) << text;
  }
}

TEST(IdSource, GrowsWhateverTheClockDoes) {
  ManualClock clock;
  SeededRandom random(9);
  IdSource source(clock, random);
  MessageId last = source.next();
  for (int i = 0; i < 200'000; ++i) {
    if (i % 1000 == 0) clock.advance(Milliseconds(i % 3000 == 0 ? -5000 : 1));
    const MessageId next = source.next();
    ASSERT_GT(next, last);
    last = next;
  }
}

TEST(IdSource, StartsAboveItsFloor) {
  ManualClock clock;
  SeededRandom random(9);
  const MessageId floor{~0ULL - 5, 3};
  IdSource source(clock, random, floor);
  EXPECT_GT(source.next(), floor);
}

}  // namespace
}  // namespace postrider::queue
