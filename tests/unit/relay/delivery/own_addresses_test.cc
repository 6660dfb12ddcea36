#include "relay/delivery/own_addresses.h"

#include <algorithm>
#include <gmock/gmock.h>

namespace postrider::delivery {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> own(const std::vector<std::string>& bound) {
  std::vector<IpAddress> addresses;
  for (const std::string& ip : bound) addresses.push_back(*IpAddress::parse(ip));
  std::vector<std::string> shown;
  for (const Network& network : own_addresses(addresses)) shown.push_back(network.to_string());
  return shown;
}

TEST(OwnAddresses, AreThoseOfTheSocketsOnce) {
  EXPECT_THAT(own({"192.0.2.1", "2001:db8::1", "192.0.2.1"}),
              ElementsAre("2001:db8::1/128", "192.0.2.1/32"));
  EXPECT_THAT(own({}), IsEmpty());
}

TEST(OwnAddresses, OfAWildcardAreThoseOfAllInterfaces) {
  const auto all = own({"0.0.0.0"});
  EXPECT_NE(std::ranges::find(all, "127.0.0.1/32"), all.end());
  EXPECT_EQ(std::ranges::find(all, "0.0.0.0/32"), all.end());
  for (const std::string& one : all) EXPECT_EQ(one.find(':'), std::string::npos) << one;
}

TEST(OwnAddresses, OfAnIpv6WildcardAreThoseOfThatFamily) {
  for (const std::string& one : own({"::"})) EXPECT_NE(one.find(':'), std::string::npos) << one;
}

}  // namespace
}  // namespace postrider::delivery
