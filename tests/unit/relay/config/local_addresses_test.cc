#include "relay/config/local_addresses.h"

#include <gtest/gtest.h>

namespace postrider::config {
namespace {

TEST(LocalAddresses, ThoseOfThisMachineAreGood) {
  Config config;
  config.delivery.source_ipv4 = IpAddress::parse("127.0.0.1");
  config.delivery.sources = {{.name = "a", .ipv4 = IpAddress::parse("127.0.0.77")}};
  EXPECT_TRUE(check_local_addresses(config).empty());
}

TEST(LocalAddresses, OthersAreNamed) {
  Config config;
  config.delivery.source_ipv4 = IpAddress::parse("203.0.113.77");
  config.delivery.sources = {{.name = "a", .ipv4 = IpAddress::parse("127.0.0.1")},
                             {.name = "b", .ipv4 = IpAddress::parse("203.0.113.78")}};
  const auto problems = check_local_addresses(config);
  ASSERT_EQ(problems.size(), 2U);
  EXPECT_EQ(problems[0].where, "delivery.source_ipv4");
  EXPECT_EQ(problems[0].what, "203.0.113.77 is not an address of this machine");
  EXPECT_EQ(problems[1].where, "source[1].ipv4");
}

}  // namespace
}  // namespace postrider::config
