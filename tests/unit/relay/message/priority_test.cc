#include "relay/message/priority.h"

#include <gtest/gtest.h>

namespace postrider::message {
namespace {

TEST(Priority, EachValueHasABand) {
  for (int priority = -9; priority <= -4; ++priority) EXPECT_EQ(band_of(priority), Band::kLow);
  for (int priority = -3; priority <= 0; ++priority) EXPECT_EQ(band_of(priority), Band::kNormal);
  for (int priority = 1; priority <= 9; ++priority) EXPECT_EQ(band_of(priority), Band::kHigh);
}

TEST(Priority, EachBandHasAHighestValue) {
  for (const Band band : {Band::kLow, Band::kNormal, Band::kHigh}) {
    EXPECT_EQ(band_of(highest_of(band)), band) << name_of(band);
  }
  EXPECT_NE(band_of(highest_of(Band::kLow) + 1), Band::kLow);
  EXPECT_NE(band_of(highest_of(Band::kNormal) + 1), Band::kNormal);
}

}  // namespace
}  // namespace postrider::message
