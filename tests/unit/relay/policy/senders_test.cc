#include "relay/policy/senders.h"

#include <gtest/gtest.h>

namespace postrider::policy {
namespace {

bool may(const std::string& pattern, std::string_view address) {
  EXPECT_TRUE(check_sender_pattern(pattern)) << pattern;
  const message::Address parsed =
      address.empty() ? message::Address() : *message::parse_mailbox(address, true);
  return may_send_as({"nowhere.test", pattern}, parsed);
}

TEST(Senders, ADomainIsExact) {
  EXPECT_TRUE(may("Example.com", "a@example.COM"));
  EXPECT_FALSE(may("example.com", "a@sub.example.com"));
  EXPECT_FALSE(may("example.com", "a@notexample.com"));
  EXPECT_FALSE(may("example.com", ""));
}

TEST(Senders, AWildcardIsWhatLiesBelow) {
  EXPECT_TRUE(may("*.example.com", "a@sub.example.com"));
  EXPECT_TRUE(may("*.example.com", "a@a.b.example.com"));
  EXPECT_FALSE(may("*.example.com", "a@example.com"));
  EXPECT_FALSE(may("*.example.com", "a@evilexample.com"));
}

TEST(Senders, AnAddressIsThatAddress) {
  EXPECT_TRUE(may("news@example.com", "news@EXAMPLE.com"));
  EXPECT_FALSE(may("news@example.com", "News@example.com"));
  EXPECT_FALSE(may("news@example.com", "other@example.com"));
}

TEST(Senders, EverybodyAndNobody) {
  EXPECT_TRUE(may("*", "a@b.test"));
  EXPECT_TRUE(may("*", ""));
  EXPECT_TRUE(may("<>", ""));
  EXPECT_FALSE(may("<>", "a@b.test"));
  EXPECT_FALSE(may_send_as({}, *message::parse_mailbox("a@b.test", false)));
}

TEST(Senders, InternationalDomainsAreOneWithTheirAsciiForm) {
  EXPECT_TRUE(
      may("b\xc3\xbc"
          "cher.example",
          "a@xn--bcher-kva.example"));
}

TEST(Senders, RefusesPatternsThatMeanNothing) {
  for (const std::string_view pattern :
       {"", "*.", "**", "*@example.com x", "a b", "*.*.com", "@x"}) {
    EXPECT_FALSE(check_sender_pattern(pattern)) << pattern;
  }
}

}  // namespace
}  // namespace postrider::policy
