#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/message/address.h"

namespace postrider::message {
namespace {

using ::testing::Optional;

TEST(Domain, NormalizesNames) {
  EXPECT_EQ(*normalize_domain("MX1.Example.ORG."), "mx1.example.org");
  EXPECT_EQ(*normalize_domain("localhost"), "localhost");
  EXPECT_EQ(*normalize_domain("xn--bcher-kva.example"), "xn--bcher-kva.example");
  EXPECT_EQ(*normalize_domain("stra\xc3\x9f"
                              "e.example"),
            "xn--strae-oqa.example")
      << "non-transitional: sharp s stays itself";
  EXPECT_EQ(*normalize_domain("b\xc3\xbc"
                              "cher_1.example"),
            "xn--bcher_1-n2a.example");
}

TEST(Domain, RefusesWhatIsNoName) {
  for (const std::string_view bad :
       {std::string_view(""), std::string_view("."), std::string_view("a.."),
        std::string_view("a b"), std::string_view("a\0b", 3), std::string_view("a/b"),
        std::string_view("\xff"),
        std::string_view("a\xef\xbc\xa0"
                         "b.example"),  // full-width @ becomes @
        std::string_view("\xef\xbc\x8e\xef\xbc\x8e")}) {
    EXPECT_FALSE(normalize_domain(bad)) << bad;
  }
}

TEST(Domain, NormalFormIsItsOwnNormalForm) {
  for (const char* name : {"B\xc3\xbc"
                           "cher.EXAMPLE",
                           "\xe4\xbe\x8b\xe5\xad\x90.example", "A.b."}) {
    const auto once = normalize_domain(name);
    ASSERT_TRUE(once) << name;
    EXPECT_EQ(*normalize_domain(*once), *once);
  }
}

TEST(AddressLiteral, IsTheAddressInBrackets) {
  EXPECT_THAT(parse_address_literal("[192.0.2.1]"), Optional(*IpAddress::parse("192.0.2.1")));
  EXPECT_THAT(parse_address_literal("[IPv6:2001:db8::1]"),
              Optional(*IpAddress::parse("2001:db8::1")));
  EXPECT_THAT(parse_address_literal("[IPV6:::1]"), Optional(*IpAddress::parse("::1")));
}

TEST(AddressLiteral, EachFormTakesItsOwnKindOnly) {
  for (const char* bad : {"", "[", "]", "[]", "192.0.2.1", "[192.0.2.1", "192.0.2.1]", "[::1]",
                          "[IPv6:192.0.2.1]", "[IPv6:]", "[IPv4:192.0.2.1]", "[[192.0.2.1]]",
                          "[192.0.2.01]", "[192.0.2.1/32]", "[192.0.2.1 ]"}) {
    EXPECT_EQ(parse_address_literal(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace postrider::message
