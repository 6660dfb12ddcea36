#include "relay/base/ip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <random>
#include <sys/socket.h>

namespace postrider {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

IpAddress ip(std::string_view text) {
  const auto parsed = IpAddress::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(IpAddress());
}

Network network(std::string_view text) {
  const auto parsed = Network::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Network());
}

TEST(IpAddress, ReadsAndWritesBothFamilies) {
  EXPECT_EQ(ip("192.0.2.1").to_string(), "192.0.2.1");
  EXPECT_EQ(ip("2001:DB8:0:0::1").to_string(), "2001:db8::1");
  EXPECT_EQ(ip("192.0.2.1").bytes(), std::string_view("\xc0\x00\x02\x01", 4));
  EXPECT_EQ(ip("::1").bytes().size(), 16U);
  EXPECT_EQ(IpAddress::v4(0x7f000001), ip("127.0.0.1"));
  EXPECT_EQ(IpAddress(), ip("0.0.0.0"));
}

TEST(IpAddress, RefusesWhatIsNoAddress) {
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", " ::1",
                           "::1%eth0", "[::1]", ":::", "1::2::3", "12345::", "localhost",
                           "1.2.3.4/8", "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"}) {
    EXPECT_EQ(IpAddress::parse(text), std::nullopt) << text;
  }
  EXPECT_EQ(IpAddress::parse(std::string_view("1.2.3.4\0", 8)), std::nullopt);
}

TEST(IpAddress, MappedAddressesAreIpv4) {
  EXPECT_EQ(ip("::ffff:192.0.2.1"), ip("192.0.2.1"));
  EXPECT_TRUE(ip("::ffff:192.0.2.1").is_v4());
  EXPECT_FALSE(ip("::fffe:192.0.2.1").is_v4());
}

TEST(IpAddress, TakesFourOrSixteenBytes) {
  EXPECT_THAT(IpAddress::from_bytes("\x7f\x01\x01\x01"), Optional(ip("127.1.1.1")));
  EXPECT_EQ(IpAddress::from_bytes("123"), std::nullopt);
  EXPECT_EQ(IpAddress::from_bytes("12345"), std::nullopt);
  EXPECT_EQ(IpAddress::from_bytes(""), std::nullopt);
}

TEST(IpAddress, TextRoundTrips) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 generator(seed);
  for (int i = 0; i < 5000; ++i) {
    std::string bytes(i % 2 == 0 ? 4 : 16, '\0');
    // Mostly zero octets, so that "::" is written in all its places.
    for (char& byte : bytes) byte = static_cast<char>(generator() % 3 == 0 ? generator() : 0);
    const auto address = IpAddress::from_bytes(bytes);
    ASSERT_TRUE(address);
    EXPECT_THAT(IpAddress::parse(address->to_string()), Optional(*address));
    EXPECT_THAT(IpAddress::from_bytes(address->bytes()), Optional(*address));
  }
}

TEST(IpAddress, KnowsLoopbackAndUnspecified) {
  EXPECT_TRUE(ip("127.0.0.1").is_loopback());
  EXPECT_TRUE(ip("127.255.255.254").is_loopback());
  EXPECT_TRUE(ip("::1").is_loopback());
  EXPECT_FALSE(ip("128.0.0.1").is_loopback());
  EXPECT_FALSE(ip("::2").is_loopback());
  EXPECT_FALSE(ip("1::1").is_loopback());
  EXPECT_TRUE(ip("0.0.0.0").is_unspecified());
  EXPECT_TRUE(ip("::").is_unspecified());
  EXPECT_FALSE(ip("0.0.0.1").is_unspecified());
}

TEST(IpAddress, SpecialIpv4BlocksEndWhereTheyEnd) {
  for (const char* text :
       {"0.0.0.0",         "0.255.255.255",  "10.0.0.0",    "10.255.255.255", "100.64.0.0",
        "100.127.255.255", "127.0.0.1",      "169.254.1.1", "172.16.0.0",     "172.31.255.255",
        "192.0.0.8",       "192.0.2.1",      "192.88.99.1", "192.168.0.0",    "198.18.0.0",
        "198.19.255.255",  "198.51.100.7",   "203.0.113.9", "224.0.0.1",      "239.255.255.255",
        "240.0.0.1",       "255.255.255.255"}) {
    EXPECT_TRUE(ip(text).is_special()) << text;
  }
  for (const char* text :
       {"1.0.0.0",         "9.255.255.255", "11.0.0.0",        "100.63.255.255",  "100.128.0.0",
        "126.255.255.255", "128.0.0.0",     "169.253.255.255", "169.255.0.0",     "172.15.255.255",
        "172.32.0.0",      "192.0.1.0",     "192.0.3.0",       "192.167.255.255", "192.169.0.0",
        "198.17.255.255",  "198.20.0.0",    "198.51.101.0",    "203.0.114.0",     "223.255.255.255",
        "8.8.8.8"}) {
    EXPECT_FALSE(ip(text).is_special()) << text;
  }
}

TEST(IpAddress, SpecialIpv6BlocksEndWhereTheyEnd) {
  for (const char* text : {"::",          "::1",         "100::1",           "64:ff9b:1::8.8.8.8",
                           "1fff::1",     "2001::1",     "2001:2::1",        "2001:10::1",
                           "2001:1ff::1", "2001:db8::1", "2001:db8:ffff::1", "3fff::1",
                           "3fff:fff::1", "4000::1",     "5f00::1",          "fc00::1",
                           "fdff::1",     "fe80::1",     "fec0::1",          "ff02::1"}) {
    EXPECT_TRUE(ip(text).is_special()) << text;
  }
  for (const char* text : {"2000::1", "2001:200::1", "2001:db7::1", "2001:db9::1", "2a00:1450::1",
                           "2003::1", "3fff:1000::1", "2606:4700::1111"}) {
    EXPECT_FALSE(ip(text).is_special()) << text;
  }
}

TEST(IpAddress, Ipv6FormsAreAsSpecialAsWhatTheyEmbed) {
  for (const char* text :
       {"2002:7f00:1::1", "2002:a00:1::1", "2002:c0a8:101::", "64:ff9b::10.0.0.1",
        "64:ff9b::127.0.0.1", "::127.0.0.1", "::192.168.1.1", "::ffff:169.254.169.254"}) {
    EXPECT_TRUE(ip(text).is_special()) << text;
  }
  for (const char* text : {"2002:808:808::1", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"}) {
    EXPECT_FALSE(ip(text).is_special()) << text;
  }
}

TEST(Endpoint, ReadsAndWritesBothFamilies) {
  for (const char* text : {"192.0.2.1:25", "[2001:db8::1]:25", "0.0.0.0:0", "[::]:65535"}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(endpoint->to_string(), text);
  }
}

TEST(Endpoint, SaysWhatIsWrong) {
  for (const char* text : {"", ":", "25", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536",
                           "192.0.2.1:-1", "192.0.2.1:000025", "2001:db8::1:25", "[192.0.2.1]:25",
                           "[2001:db8::1]", "[2001:db8::1]25", "localhost:25", "[]:25"}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_FALSE(endpoint) << text;
    EXPECT_THAT(endpoint.error().text(), HasSubstr("'" + std::string(text) + "'"));
  }
}

TEST(Endpoint, SocketAddressesRoundTrip) {
  for (const char* text : {"192.0.2.1:25", "[2001:db8::1]:2525"}) {
    const Endpoint endpoint = *Endpoint::parse(text);
    sockaddr_storage storage{};
    const unsigned length = endpoint.to_sockaddr(storage);
    EXPECT_EQ(length, endpoint.ip.is_v4() ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    EXPECT_THAT(Endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&storage)), Optional(endpoint));
  }
}

TEST(Endpoint, OtherSocketFamiliesAreNone) {
  sockaddr_storage storage{};
  storage.ss_family = AF_UNIX;
  EXPECT_EQ(Endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&storage)), std::nullopt);
  EXPECT_EQ(Endpoint::from_sockaddr(nullptr), std::nullopt);
}

TEST(Network, HoldsWhatIsBehindItsPrefix) {
  const Network carrier = network("100.64.0.0/10");
  EXPECT_TRUE(carrier.contains(ip("100.64.0.0")));
  EXPECT_TRUE(carrier.contains(ip("100.127.255.255")));
  EXPECT_FALSE(carrier.contains(ip("100.128.0.0")));
  EXPECT_TRUE(network("2001:db8::/33").contains(ip("2001:db8:7fff::1")));
  EXPECT_FALSE(network("2001:db8::/33").contains(ip("2001:db8:8000::1")));
}

TEST(Network, ALoneAddressHoldsItself) {
  EXPECT_TRUE(network("192.0.2.1").contains(ip("192.0.2.1")));
  EXPECT_FALSE(network("192.0.2.1").contains(ip("192.0.2.0")));
  EXPECT_EQ(network("2001:db8::1").prefix_length, 128U);
}

TEST(Network, FamiliesDoNotMix) {
  EXPECT_FALSE(network("0.0.0.0/0").contains(ip("::1")));
  EXPECT_FALSE(network("::/0").contains(ip("127.0.0.1")));
  EXPECT_TRUE(network("0.0.0.0/0").contains(ip("255.255.255.255")));
  EXPECT_TRUE(network("10.0.0.0/8").contains(ip("::ffff:10.1.2.3")));
}

TEST(Network, MappedNetworksAreIpv4) {
  EXPECT_EQ(network("::ffff:10.0.0.0/104"), network("10.0.0.0/8"));
  EXPECT_EQ(network("::ffff:10.0.0.1"), network("10.0.0.1/32"));
  EXPECT_FALSE(Network::parse("::ffff:0.0.0.0/95"));
}

TEST(Network, SaysWhatIsWrong) {
  for (const char* text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/0008",
                           "10.0.0.1/8", "2001:db8::/129", "2001:db8::1/32", "10.0.0.0/8/8"}) {
    const auto parsed = Network::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_THAT(parsed.error().text(), HasSubstr("'" + std::string(text) + "'"));
  }
}

TEST(Network, TextRoundTrips) {
  for (const char* text : {"0.0.0.0/0", "10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32", "::1/128"}) {
    EXPECT_EQ(network(text).to_string(), text);
  }
}

}  // namespace
}  // namespace postrider
