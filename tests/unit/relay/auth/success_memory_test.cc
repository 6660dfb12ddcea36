#include "relay/auth/success_memory.h"

#include <gtest/gtest.h>

namespace postrider::auth {
namespace {

Digest check(char name) {
  Digest digest{};
  digest[0] = name;
  return digest;
}

class SuccessMemoryTest : public testing::Test {
 protected:
  bool holds(char name) { return memory_.holds(check(name), now_); }

  void add(char name) { memory_.add(check(name), now_); }

  SuccessMemory memory_{Seconds(60), 3};
  TimePoint now_{};
};

TEST_F(SuccessMemoryTest, HoldsWhatWasAddedForItsLifetime) {
  add('a');
  EXPECT_TRUE(holds('a'));
  EXPECT_FALSE(holds('b'));
  now_ += Seconds(59);
  EXPECT_TRUE(holds('a'));
  now_ += Seconds(1);
  EXPECT_FALSE(holds('a'));
  EXPECT_EQ(memory_.size(), 0U);
}

TEST_F(SuccessMemoryTest, IsNotRenewedByUse) {
  add('a');
  now_ += Seconds(50);
  EXPECT_TRUE(holds('a'));
  add('a');
  now_ += Seconds(10);
  EXPECT_FALSE(holds('a'));
}

TEST_F(SuccessMemoryTest, TheOldestGoesFirst) {
  for (const char name : {'a', 'b', 'c', 'd'}) add(name);
  EXPECT_FALSE(holds('a'));
  EXPECT_TRUE(holds('b'));
  EXPECT_TRUE(holds('d'));
  EXPECT_EQ(memory_.size(), 3U);
}

TEST_F(SuccessMemoryTest, CanBeTurnedOff) {
  SuccessMemory none(Seconds(60), 0);
  none.add(check('a'), now_);
  EXPECT_FALSE(none.holds(check('a'), now_));
  SuccessMemory brief(Seconds(0), 10);
  brief.add(check('a'), now_);
  EXPECT_FALSE(brief.holds(check('a'), now_));
}

}  // namespace
}  // namespace postrider::auth
