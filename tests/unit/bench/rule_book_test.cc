#include "bench/sim/rule_book.h"

#include <gmock/gmock.h>

namespace postrider::bench {
namespace {

using testing::HasSubstr;

RuleBook book(std::string_view text) {
  auto lines = parse_rule_text(text, "test");
  EXPECT_TRUE(lines);
  auto built = RuleBook::build(*lines);
  EXPECT_TRUE(built);
  return *built;
}

std::uint32_t ttl(const RuleBook& rules, std::string_view domain) {
  const DomainRule* const rule = rules.find(domain);
  return rule == nullptr ? 0 : rule->ttl;
}

TEST(RuleBook, TheNearestRuleWins) {
  const RuleBook rules = book("* ttl=1\n*.sim.test ttl=2\n*.b.sim.test ttl=3\na.b.sim.test ttl=4");
  EXPECT_EQ(ttl(rules, "other.example"), 1U);
  EXPECT_EQ(ttl(rules, "x.sim.test"), 2U);
  EXPECT_EQ(ttl(rules, "sim.test"), 1U);
  EXPECT_EQ(ttl(rules, "x.y.b.sim.test"), 3U);
  EXPECT_EQ(ttl(rules, "a.b.sim.test"), 4U);
}

TEST(RuleBook, UnknownNamesHaveNoRule) {
  const RuleBook rules = book("d[1-3].test ttl=5");
  EXPECT_EQ(ttl(rules, "d3.test"), 5U);
  EXPECT_EQ(rules.find("d4.test"), nullptr);
  EXPECT_FALSE(RuleBook::build({}));
}

TEST(RuleBook, KnowsItsHosts) {
  const RuleBook rules = book("a.test mx=127.0.0.2,127.0.0.3");
  EXPECT_EQ(rules.find_host("mx2.a.test")->address.to_string(), "127.0.0.3");
  for (const char* name :
       {"mx3.a.test", "mx0.a.test", "mx.a.test", "mx1.b.test", "a.test", "mx1"}) {
    EXPECT_FALSE(rules.find_host(name)) << name;
  }
}

TEST(RuleBook, TheFirstDomainOwnsASharedAddress) {
  const RuleBook rules = book("a.test mx=127.0.0.2\nb.test mx=127.0.0.2,127.0.0.3");
  EXPECT_EQ(rules.at(*IpAddress::parse("127.0.0.2")).domain, "a.test");
  EXPECT_EQ(rules.at(*IpAddress::parse("127.0.0.3")).domain, "b.test");
  EXPECT_EQ(rules.at(*IpAddress::parse("127.0.0.9")).rule, nullptr);
  EXPECT_EQ(rules.addresses().size(), 2U);
}

TEST(RuleBook, NobodyListensOnTheAddressesOfOtherPrograms) {
  const RuleBook rules = book("a.test mx=127.0.0.2\nb.test mx=127.0.0.3 listen=off");
  EXPECT_EQ(rules.addresses(), std::vector<IpAddress>{*IpAddress::parse("127.0.0.2")});
  EXPECT_EQ(rules.find_host("mx1.b.test")->address.to_string(), "127.0.0.3");
  EXPECT_TRUE(rules.with("b.test", {"mx=127.0.0.4"}));
  EXPECT_THAT(rules.with("b.test", {"listen=on"}).error().text(), HasSubstr("127.0.0.3"));
}

TEST(RuleBook, AChangeToOneDomainLeavesItsNeighbours) {
  const RuleBook rules = book("d[1-3].test ttl=5 mx=127.0.0.2");
  const auto changed = rules.with("D2.test", {"ttl=9"});
  ASSERT_TRUE(changed);
  EXPECT_EQ(ttl(*changed, "d2.test"), 9U);
  EXPECT_EQ(ttl(*changed, "d1.test"), 5U);
  EXPECT_EQ(ttl(rules, "d2.test"), 5U);
  const auto again = changed->with("d2.test", {"share=0.5"});
  EXPECT_EQ(ttl(*again, "d2.test"), 9U);
}

TEST(RuleBook, APatternChangesAsAWhole) {
  const auto changed = book("*.sim.test ttl=5\nx.test").with("*.sim.test", {"ttl=6", "dns=nodata"});
  ASSERT_TRUE(changed);
  EXPECT_EQ(ttl(*changed, "any.sim.test"), 6U);
}

TEST(RuleBook, RefusesChangesThatCannotWork) {
  const RuleBook rules = book("a.test mx=127.0.0.2");
  EXPECT_THAT(rules.with("b.test", {"ttl=1"}).error().text(), HasSubstr("no rule for 'b.test'"));
  EXPECT_THAT(rules.with("a.test", {"tll=1"}).error().text(), HasSubstr("did you mean ttl?"));
  EXPECT_THAT(rules.with("a.test", {"mx=127.0.0.9"}).error().text(), HasSubstr("127.0.0.9"));
}

TEST(RuleBoard, ReadersSeeChangesAndTheReset) {
  RuleBoard board(book("a.test ttl=5"));
  RuleBoard::Reader reader(board);
  EXPECT_EQ(ttl(reader.current(), "a.test"), 5U);
  ASSERT_TRUE(board.set("a.test", {"ttl=6"}));
  EXPECT_EQ(ttl(reader.current(), "a.test"), 6U);
  EXPECT_FALSE(board.set("a.test", {"ttl=x"}));
  EXPECT_EQ(ttl(reader.current(), "a.test"), 6U);
  board.reset();
  EXPECT_EQ(ttl(reader.current(), "a.test"), 5U);
}

}  // namespace
}  // namespace postrider::bench
