#include "queue/suspensions.h"

#include <gtest/gtest.h>

namespace postrider::queue {
namespace {

WallTime at(int milliseconds) {
  return WallTime(Milliseconds(milliseconds));
}

Suspension rule(const std::string& domain, const std::string& tenant, const std::string& campaign,
                std::optional<WallTime> until = std::nullopt) {
  return {domain, tenant, campaign, "", until};
}

bool match(const Suspensions& rules, const QueueName& queue) {
  return rules.match(encode(queue));
}

TEST(Suspensions, AllThatIsNamedMustFit) {
  Suspensions rules;
  EXPECT_FALSE(match(rules, {"a", "t", "c"}));
  rules.add(rule("a", "", ""));
  rules.add(rule("", "t", "c"));
  EXPECT_TRUE(match(rules, {"a", "x", "y"}));
  EXPECT_TRUE(match(rules, {"b", "t", "c", Band::kHigh}));
  EXPECT_FALSE(match(rules, {"b", "t", ""}));
  EXPECT_FALSE(match(rules, {"b", "", "c"}));
  EXPECT_FALSE(match(rules, {"", "a", ""}));
  rules.remove(rule("", "t", "c"));
  EXPECT_FALSE(match(rules, {"b", "t", "c"}));
  rules.add(rule("", "", ""));
  EXPECT_TRUE(match(rules, {"b", "t", "c"}));
}

TEST(Suspensions, NamesMayHoldAnyOctet) {
  const std::string odd("a\0\x01z\0", 5);
  Suspensions rules;
  rules.add(rule("", odd, ""));
  EXPECT_TRUE(match(rules, {"d", odd, "c"}));
  EXPECT_FALSE(match(rules, {"d", "a", "c"}));
  EXPECT_FALSE(match(rules, {odd, "t", odd}));
  EXPECT_NE(rules.find(rule("", odd, "")), nullptr);
}

TEST(Suspensions, OneThatNamesTheSameReplacesTheOther) {
  Suspensions rules;
  rules.add(rule("a", "", "", at(5)));
  rules.add(rule("a", "", "", at(9)));
  EXPECT_EQ(rules.size(), 1U);
  EXPECT_EQ(rules.next_end(), at(9));
  EXPECT_EQ(rules.find(rule("a", "", ""))->until, at(9));
  rules.remove(rule("a", "", ""));
  rules.remove(rule("a", "", ""));
  EXPECT_TRUE(rules.empty());
  EXPECT_FALSE(match(rules, {"a", "", ""}));
}

TEST(Suspensions, ThoseWhoseTimeIsOver) {
  Suspensions rules;
  rules.add(rule("never", "", ""));
  EXPECT_FALSE(rules.next_end());
  rules.add(rule("a", "", "", at(5)));
  rules.add(rule("b", "", "", at(3)));
  EXPECT_EQ(rules.next_end(), at(3));
  EXPECT_TRUE(rules.ended(at(2)).empty());
  ASSERT_EQ(rules.ended(at(3)).size(), 1U);
  EXPECT_EQ(rules.ended(at(3))[0].domain, "b");
  EXPECT_EQ(rules.ended(at(5)).size(), 2U);
}

}  // namespace
}  // namespace postrider::queue
