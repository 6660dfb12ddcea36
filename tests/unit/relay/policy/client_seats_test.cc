#include "relay/policy/client_seats.h"

#include <gtest/gtest.h>
#include <vector>

namespace postrider::policy {
namespace {

class ClientSeatsTest : public testing::Test {
 protected:
  // As many as `client` gets, but at most `wanted`.
  std::size_t take(const std::string& client, std::size_t wanted = 1000) {
    std::size_t got = 0;
    for (; got < wanted; ++got) {
      auto seat = seats_.take(*IpAddress::parse(client));
      if (!seat) break;
      held_.push_back(std::move(seat));
    }
    return got;
  }

  std::size_t max_ = 100;
  ClientSeats seats_{max_};
  std::vector<ClientSeats::Seat> held_;
};

TEST_F(ClientSeatsTest, OneClientHasHalf) {
  EXPECT_EQ(take("192.0.2.1"), 50U);
  EXPECT_EQ(seats_.taken(), 50U);
  EXPECT_EQ(take("192.0.2.2"), 25U);
}

TEST_F(ClientSeatsTest, ManyLeaveSomeForTheNext) {
  for (int i = 0; i < 20; ++i) take("192.0.2." + std::to_string(i), 4);
  EXPECT_EQ(seats_.taken(), 80U);
  EXPECT_GE(take("198.51.100.1", 10), 10U);
}

TEST_F(ClientSeatsTest, TheLastOneIsForWhoHasNone) {
  max_ = 1;
  EXPECT_EQ(take("192.0.2.1"), 1U);
  EXPECT_EQ(take("192.0.2.2"), 0U);
  held_.clear();
  EXPECT_EQ(seats_.taken(), 0U);
  EXPECT_EQ(take("192.0.2.2"), 1U);
}

TEST_F(ClientSeatsTest, AnIpv6HostIsItsNetwork) {
  max_ = 2;
  EXPECT_EQ(take("2001:db8::1"), 1U);
  EXPECT_EQ(take("2001:db8::2"), 0U);
  EXPECT_EQ(take("2001:db8:0:1::1"), 1U);
}

TEST_F(ClientSeatsTest, NoLimitIsNone) {
  max_ = 0;
  EXPECT_EQ(take("192.0.2.1"), 1000U);
}

TEST_F(ClientSeatsTest, ALowerLimitHoldsForTheNext) {
  take("192.0.2.1", 10);
  max_ = 5;
  EXPECT_EQ(take("192.0.2.2"), 0U);
}

}  // namespace
}  // namespace postrider::policy
