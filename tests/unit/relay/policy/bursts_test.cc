#include "relay/policy/bursts.h"

#include <gtest/gtest.h>

namespace postrider::policy {
namespace {

constexpr TimePoint kStart{Seconds(1000)};

TEST(Bursts, TheFirstOfAKindIsSaid) {
  Bursts bursts;
  EXPECT_EQ(bursts.note("a", kStart), 0U);
  EXPECT_EQ(bursts.note("b", kStart), 0U);
  EXPECT_EQ(bursts.note("a", kStart), std::nullopt);
}

TEST(Bursts, WhileTheyGoOnOneAMinuteTellsOfTheOthers) {
  Bursts bursts;
  EXPECT_EQ(bursts.note("a", kStart), 0U);
  for (int second = 1; second < 60; ++second) {
    EXPECT_EQ(bursts.note("a", kStart + Seconds(second)), std::nullopt);
  }
  EXPECT_EQ(bursts.note("a", kStart + Seconds(60)), 59U);
  EXPECT_EQ(bursts.note("a", kStart + Seconds(61)), std::nullopt);
  EXPECT_EQ(bursts.note("a", kStart + Seconds(1000)), 1U);
}

TEST(Bursts, KindsAreBounded) {
  Bursts bursts;
  for (std::size_t i = 0; i < Bursts::kKindsMax; ++i) {
    EXPECT_EQ(bursts.note(std::to_string(i), kStart), 0U);
  }
  EXPECT_EQ(bursts.note("one more", kStart), 0U);
  EXPECT_EQ(bursts.note("and another", kStart), std::nullopt);
  EXPECT_EQ(bursts.note("0", kStart), std::nullopt);
}

}  // namespace
}  // namespace postrider::policy
