#include "relay/submission/text_memory.h"

#include <gtest/gtest.h>

namespace postrider::submission {
namespace {

class TextMemoryTest : public testing::Test {
 protected:
  TextShare share(const char* client) { return memory_.share(*IpAddress::parse(client)); }

  TextMemory memory_{1000, 600};
};

TEST_F(TextMemoryTest, AClientHasItsBound) {
  TextShare first = share("192.0.2.1");
  TextShare second = share("192.0.2.1");
  TextShare other = share("192.0.2.2");
  EXPECT_EQ(first.add(400), TextLimit::kNone);
  EXPECT_EQ(second.add(200), TextLimit::kNone);
  EXPECT_EQ(second.add(1), TextLimit::kClient);
  EXPECT_EQ(other.add(300), TextLimit::kNone);
}

TEST_F(TextMemoryTest, AllTogetherHaveTheirs) {
  TextShare one = share("192.0.2.1");
  TextShare other = share("192.0.2.2");
  EXPECT_EQ(one.add(600), TextLimit::kNone);
  EXPECT_EQ(other.add(401), TextLimit::kAll);
  EXPECT_EQ(memory_.octets(), 1001U);
}

TEST_F(TextMemoryTest, WhatIsReleasedCanBeTakenAgain) {
  TextShare one = share("192.0.2.1");
  EXPECT_EQ(one.add(601), TextLimit::kClient);
  one.release();
  EXPECT_EQ(memory_.octets(), 0U);
  EXPECT_EQ(one.add(600), TextLimit::kNone);
}

TEST_F(TextMemoryTest, APartCanBeGivenBack) {
  TextShare one = share("192.0.2.1");
  one.add(600);
  one.give_back(500);
  EXPECT_EQ(one.octets(), 100U);
  EXPECT_EQ(memory_.octets(), 100U);
  EXPECT_EQ(one.add(500), TextLimit::kNone);
  EXPECT_EQ(one.add(1), TextLimit::kClient);
}

TEST_F(TextMemoryTest, AShareMakesAnotherOfItsClient) {
  TextShare another;
  EXPECT_FALSE(another.is_of_memory());
  {
    TextShare one = share("192.0.2.1");
    one.add(500);
    another = one.another();
    EXPECT_EQ(another.octets(), 0U);
    EXPECT_EQ(another.add(101), TextLimit::kClient);
  }
  EXPECT_EQ(memory_.octets(), 101U);
  EXPECT_EQ(memory_.clients(), 1U);
}

TEST_F(TextMemoryTest, AHostOfIpv6IsItsNetwork) {
  TextShare one = share("2001:db8::1");
  TextShare same = share("2001:db8::2");
  EXPECT_EQ(one.add(600), TextLimit::kNone);
  EXPECT_EQ(same.add(1), TextLimit::kClient);
}

TEST_F(TextMemoryTest, AShareThatIsMovedHoldsTheSame) {
  TextShare carried;
  {
    TextShare one = share("192.0.2.1");
    one.add(500);
    carried = std::move(one);
  }
  EXPECT_EQ(carried.octets(), 500U);
  EXPECT_EQ(memory_.octets(), 500U);
  // Nor is the client forgotten while it holds something.
  EXPECT_EQ(share("192.0.2.1").add(101), TextLimit::kClient);
}

TEST_F(TextMemoryTest, ForgetsClientsThatHoldNothing) {
  {
    const TextShare one = share("192.0.2.1");
    const TextShare again = share("192.0.2.1");
    const TextShare other = share("192.0.2.2");
    EXPECT_EQ(memory_.clients(), 2U);
  }
  EXPECT_EQ(memory_.clients(), 0U);
}

}  // namespace
}  // namespace postrider::submission
