#include "relay/delivery/health.h"

#include <gtest/gtest.h>

namespace postrider::delivery {
namespace {

Endpoint at(std::uint32_t number, std::uint16_t port = 25) {
  return {IpAddress::v4(number), port};
}

TEST(AddressHealth, AnAddressThatFailedIsAvoidedForAWhile) {
  AddressHealth health;
  const TimePoint now{Seconds(100)};
  EXPECT_FALSE(health.is_avoided(at(1), now));
  health.note(at(1), false, now);
  EXPECT_TRUE(health.is_avoided(at(1), now));
  EXPECT_EQ(health.avoided_until(at(1), now), now + AddressHealth::kAvoidFor);
  EXPECT_FALSE(health.is_avoided(at(1, 587), now));
  EXPECT_FALSE(health.is_avoided(at(2), now));
  EXPECT_FALSE(health.is_avoided(at(1), now + AddressHealth::kAvoidFor));
}

TEST(AddressHealth, TheTimeMayBeAnother) {
  AddressHealth health(Seconds(600));
  const Endpoint address{*IpAddress::parse("192.0.2.1"), 25};
  const TimePoint now{Seconds(100)};
  health.note(address, false, now);
  EXPECT_TRUE(health.is_avoided(address, now + Seconds(599)));
  EXPECT_FALSE(health.is_avoided(address, now + Seconds(600)));
}

TEST(AddressHealth, OneThatWorksIsNotAvoided) {
  AddressHealth health;
  const TimePoint now{Seconds(100)};
  health.note(at(1), false, now);
  health.note(at(1), true, now);
  EXPECT_FALSE(health.is_avoided(at(1), now));
  EXPECT_EQ(health.size(), 0U);
}

TEST(AddressHealth, IsBoundedAndForgetsTheOld) {
  AddressHealth health;
  TimePoint now{Seconds(100)};
  const auto most = static_cast<std::uint32_t>(AddressHealth::kRememberedMax);
  for (std::uint32_t i = 0; i < most + 100; ++i) health.note(at(i), false, now);
  EXPECT_EQ(health.size(), AddressHealth::kRememberedMax);
  EXPECT_FALSE(health.is_avoided(at(most + 50), now));
  now += AddressHealth::kAvoidFor + Seconds(1);
  health.note(at(most + 50), false, now);
  EXPECT_TRUE(health.is_avoided(at(most + 50), now));
  EXPECT_EQ(health.size(), 1U);
}

}  // namespace
}  // namespace postrider::delivery
