#include "relay/policy/connection_cap.h"

#include <gtest/gtest.h>

namespace postrider::policy {
namespace {

constexpr TimePoint kNow{std::chrono::hours(100)};

TEST(ConnectionCap, TheSameNumberTwiceIsACap) {
  ConnectionCap cap;
  EXPECT_EQ(cap.messages(kNow), 0U);
  cap.closed(20, {}, kNow);
  EXPECT_EQ(cap.messages(kNow), 0U);
  cap.closed(20, Seconds(1), kNow);
  EXPECT_EQ(cap.messages(kNow), 20U);
}

TEST(ConnectionCap, DifferentNumbersAreChance) {
  ConnectionCap cap;
  for (const unsigned messages : {20U, 7U, 20U, 8U}) cap.closed(messages, {}, kNow);
  EXPECT_EQ(cap.messages(kNow), 0U);
}

TEST(ConnectionCap, OneMessageSaysNothing) {
  ConnectionCap cap;
  for (int i = 0; i < 5; ++i) cap.closed(1, {}, kNow);
  EXPECT_EQ(cap.messages(kNow), 0U);
}

TEST(ConnectionCap, ACloseAfterIdleTimeSaysNothing) {
  ConnectionCap cap;
  for (int i = 0; i < 5; ++i) cap.closed(9, Seconds(5), kNow);
  EXPECT_EQ(cap.messages(kNow), 0U);
}

TEST(ConnectionCap, IsForgottenAfterAWhile) {
  ConnectionCap cap;
  cap.closed(20, {}, kNow);
  cap.closed(20, {}, kNow);
  EXPECT_EQ(cap.messages(kNow + ConnectionCap::kForgetAfter - Seconds(1)), 20U);
  EXPECT_EQ(cap.messages(kNow + ConnectionCap::kForgetAfter), 0U);
}

}  // namespace
}  // namespace postrider::policy
